"""Tools in the text of models: how they are shown, and how calls of them are read."""
