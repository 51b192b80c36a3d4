"""The only room that imports ipykernel, IPython and traitlets: what their upgrade can break."""
