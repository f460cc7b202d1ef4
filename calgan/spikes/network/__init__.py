"""A convolutional network that infers spikes, and the ground truth that it learns from."""
