"""Ctrl-C ends a command with 130 and says how to go on; no traceback."""

import meshgait_data.manifest


def test_an_interrupted_command_says_how_to_continue(mgdata, tmp_path, monkeypatch):
    def interrupt(_name):
        raise KeyboardInterrupt

    monkeypatch.setattr(meshgait_data.manifest, "load_manifest", interrupt)
    result = mgdata("index", "cmu_walk", "--work", tmp_path / "work")
    assert result.exit_code == 130
    assert "run the same line again" in result.stderr
    assert "Traceback" not in result.stderr
