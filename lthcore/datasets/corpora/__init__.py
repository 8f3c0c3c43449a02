"""Collections of labelled documents, and the formats they come in."""
