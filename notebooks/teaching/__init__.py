"""What an instructor makes from the notebooks: slides, solutions, sheets to print, and how long each section takes."""
