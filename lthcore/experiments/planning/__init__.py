"""What a study costs before it is computed: seconds of a step by engine and density, and turns of many processes."""
