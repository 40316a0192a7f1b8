from importlib.metadata import entry_points


def test_pytest_finds_the_plugin() -> None:
    found = [item for item in entry_points(group="pytest11") if item.name == "coco"]
    assert [item.value for item in found] == ["coco_testing.plugin"]
    assert found[0].load().__doc__
