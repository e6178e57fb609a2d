"""What is said of the study: figures by subject, the report's templates, and the original's numbers."""
