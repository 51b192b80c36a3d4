"""Outside: kernelspecs, and the provisioner by which Jupyter attaches to hosts and starts them."""
