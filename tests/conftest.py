import stages  # noqa: F401  settles the arithmetic before a test imports torch


def pytest_collection_modifyitems(items: list) -> None:
    """The file that takes longest comes first, or one process would be left alone with it."""
    items.sort(key=lambda item: item.path.name != "test_pipeline.py")
