"""The commands of ``gan`` that have a file of their own; ``gan.cli`` puts them together."""

__all__: list[str] = []
