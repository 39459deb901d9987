"""Long recordings become finished clips."""
