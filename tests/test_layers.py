"""Imports go one way, and each framework stays where it belongs."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {
    "Spec": {"Spec"},
    "Models": {"Spec", "Models"},
    "Input": {"Spec", "Input"},
    "Recording": {"Spec", "Recording"},
    "Evaluation": {"Spec", "Input", "Recording", "Evaluation"},
    "Engine": {"Spec", "Models", "Input", "Evaluation", "Engine"},
    "Reproduction": {"Spec", "Input", "Evaluation", "Engine", "Reproduction"},
}
SCRIPTS = ("Training", "Evaluate", "Predict", "Datasets", "Report", "Reproduce")
WITHOUT_CONFIG = ("Predict", "Report")  # what they work on says itself what it is
PROGRAM = {
    path.relative_to(ROOT)
    for folder in ("", *PACKAGES)
    for path in (ROOT / folder).glob("*.py")
    if path.name != "conftest.py"
}
OURS = {*PACKAGES, *(path.stem for path in PROGRAM if len(path.parts) == 1)}
# Gradients of one's own are beyond `keras.ops`. Only what computes on a CPU with TensorFlow
# imports this module; other backends and GPUs never do.
FRAMEWORK_OF_ITS_OWN = {"Models/FastConvolution.py": {"tensorflow"}}
FRAMEWORKS = ("tensorflow", "keras", "sacred", "torch", "jax")


@functools.cache
def imports(path):
    """The top-level packages a module names in its imports, late ones within functions too."""
    found = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively, which hides where from"
            found.add(node.module.split(".")[0])
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        assert name not in ("__import__", "import_module"), f"{path} hides what it imports"
    return frozenset(found)


def modules(*folders):
    return sorted(path for path in PROGRAM if path.parts[0] in folders and len(path.parts) == 2)


def importing(package):
    return {str(path) for path in PROGRAM if package in imports(path)}


def test_the_program_is_found():
    assert len(modules(*PACKAGES)) >= 35
    assert {f"{script}.py" for script in SCRIPTS} <= {str(path) for path in PROGRAM}
    assert {"Models", "keras"} <= imports(Path("Engine/Trainer.py"))


@pytest.mark.parametrize("folder", PACKAGES)
def test_a_package_imports_only_what_lies_below_it(folder):
    for path in modules(folder):
        beyond = (imports(path) & OURS) - PACKAGES[folder]
        assert not beyond, f"{path} imports {', '.join(sorted(beyond))}"


def test_the_config_imports_descriptions_alone():
    assert imports(Path("Config.py")) & OURS == {"Spec"}
    assert imports(Path("Config.py")) & set(FRAMEWORKS) == {"sacred"}


def test_nothing_imports_a_script():
    for script in SCRIPTS:
        assert importing(script) == set(), script


def test_sacred_is_in_the_config_and_the_scripts_alone():
    at_the_edge = {str(path) for path in PROGRAM if len(path.parts) == 1}
    assert importing("sacred") <= at_the_edge
    assert "Config.py" in importing("sacred")


def test_tensorflow_is_in_the_pipeline_the_engine_and_the_fast_convolution_alone():
    allowed = {"Input/Pipeline.py", *FRAMEWORK_OF_ITS_OWN, *map(str, modules("Engine"))}
    assert importing("tensorflow") <= allowed
    assert "Input/Pipeline.py" in importing("tensorflow")


def test_models_know_no_framework_but_keras():
    for path in modules("Models"):
        allowed = {"keras"} | FRAMEWORK_OF_ITS_OWN.get(str(path), set())
        assert not imports(path) & {*FRAMEWORKS} - allowed, path
    assert "Models/UnetAudioSeparator.py" in importing("keras")


@pytest.mark.parametrize("folder", ["Spec", "Evaluation", "Input", "Recording"])
def test_descriptions_scores_and_songs_know_no_framework(folder):
    for path in modules(folder):
        if path != Path("Input/Pipeline.py"):
            assert not imports(path) & {*FRAMEWORKS}, path


def test_descriptions_need_nothing_but_python():
    from sys import stdlib_module_names

    for path in modules("Spec"):
        assert imports(path) <= {"Spec", *stdlib_module_names}, path


def test_scripts_import_no_heavy_module_at_their_top():
    """So that a mistyped entry is told in a second: TensorFlow alone takes several."""
    for script in SCRIPTS:
        tree = ast.parse((ROOT / f"{script}.py").read_text())
        top = {
            name.split(".")[0]
            for node in tree.body
            for name in (
                [node.module]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else []
            )
        }
        assert not top & {"Engine", "Models", "Evaluation", *FRAMEWORKS}, script
        assert "Config" in top or script in WITHOUT_CONFIG


def test_scripts_are_thin():
    for script in SCRIPTS:
        assert len((ROOT / f"{script}.py").read_text().splitlines()) < 100, script
