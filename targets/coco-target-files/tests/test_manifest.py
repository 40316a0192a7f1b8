import coco
from coco_target_files import _plugin


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert manifests
    assert all(item.target.startswith("coco_target_files.") for item in manifests)


def test_the_target_is_found_by_name() -> None:
    from coco_target_files.spec import Files

    assert coco.targets.Files is Files
