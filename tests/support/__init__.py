"""What tests drive hosts, kernels, browsers and terminals with."""
