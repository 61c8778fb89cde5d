"""What notebooks and pages show of networks, problems and results: HTML that stands on its own."""
