"""Rendering of pyramids and losses: pictures, archives, animations and videos."""
