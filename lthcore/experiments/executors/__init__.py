"""Where trials are computed: in processes of this machine, on a cluster, or by any other executor."""
