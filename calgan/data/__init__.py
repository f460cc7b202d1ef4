"""Recordings and windows of them, and what prepares traces for a generator. It knows no spikes."""
