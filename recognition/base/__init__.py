"""What everything stands on: errors, files, params, the names of results, and the same arithmetic everywhere."""
