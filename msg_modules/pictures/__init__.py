"""Image pyramids as pictures, archives, animations and videos."""
