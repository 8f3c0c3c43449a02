"""What executes training steps."""
