from coco_target_postgres import _plugin


def test_the_manifest_names_this_package() -> None:
    manifests = _plugin.coco_ops()
    assert manifests
    assert all(item.target.startswith("coco_target_postgres.") for item in manifests)
