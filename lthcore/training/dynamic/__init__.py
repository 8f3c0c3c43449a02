"""Methods that change the mask while the network trains, each a client of a session."""
