"""Training of networks: loop, state, devices, shared layers. It knows no traces and no spikes."""
