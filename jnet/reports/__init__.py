"""Tables and figures of the papers, made from recorded scores."""
