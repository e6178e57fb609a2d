"""Where pictures and weights come from; what is fetched is verified, and kept."""
