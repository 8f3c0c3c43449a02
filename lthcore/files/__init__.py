"""Array files with checksums, downloads, paths, and the recorded environment."""
