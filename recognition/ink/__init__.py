"""What is on a photo: decoded, its ink found and normalised to 28x28, and read."""
