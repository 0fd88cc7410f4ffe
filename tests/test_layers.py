"""The order of imports, and the modules that may import each framework."""

import ast
import functools
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = ("Training", "Evaluate", "Predict", "Convert", "Datasets", "Report", "Reproduce")
WITHOUT_CONFIG = ("Predict", "Report")  # manifests and records describe their input
# Packages and modules in the order of imports. Each imports only modules of the rows above and of
# its own package. The row of a module is that of the longest name that matches.
LAYERS = (
    ("Models.Entries", "Models.Foreign"),
    ("Models.Settings",),
    ("Models.WaveUnet.Settings", "Models.SpectrogramUnet.Settings", "Models.Demucs.Settings"),
    ("Models.Network",),
    ("Models.Networks",),
    ("Models",),
    ("jnet.errors", "jnet.names"),
    ("jnet.system",),
    ("jnet.settings", "jnet.recording"),
    ("jnet.audio",),
    ("jnet.data",),
    ("jnet.weights",),
    ("jnet.training", "jnet.separation", "jnet.conversion"),
    ("jnet.scoring",),
    ("jnet",),
    ("jnet.results",),
    ("jnet.reports",),
    ("jnet.reproduction",),
    ("Config",),
    SCRIPTS,
)
RANKS = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FRAMEWORKS = {"tensorflow", "keras", "sacred", "torch", "jax", "matplotlib", "pymongo"}
# Where each framework may be imported, as prefixes of modules.
ALLOWED = {
    "sacred": ("Config", "jnet.recording", *SCRIPTS),
    "tensorflow": (
        "Models.WaveUnet.Fast",
        "jnet.system.quiet_tensorflow",
        "jnet.data.pipeline",
        "jnet.training",
        "jnet.separation.predictor",
        "jnet.conversion.bundles",
    ),
    "keras": (
        *("Models", "jnet.weights", "jnet.training"),
        *("jnet.separation.predictor", "jnet.scoring.evaluation", "jnet.conversion.convert"),
    ),
    "matplotlib": ("jnet.reports.figures",),
    "pymongo": ("jnet.recording",),
    "torch": (),
    "jax": (),
}


def get_module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    get_module_name(path): path
    for pattern in ("*.py", "Models/**/*.py", "jnet/**/*.py")
    for path in sorted(ROOT.glob(pattern))
}


def find_layer(module: str) -> str:
    """Return the longest name of `LAYERS` that is `module` or contains it."""
    matching = [
        name
        for name in RANKS
        if module == name or (module.startswith(f"{name}.") and name != "jnet")
    ]
    assert matching, f"{module} has no row in LAYERS"
    return max(matching, key=len)


@functools.cache
def list_imports(module: str) -> frozenset[str]:
    """Return all modules that a module imports, also within functions."""
    imported = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            assert node.module is not None  # only `from . import` has none
            imported |= {
                name if (name := f"{node.module}.{alias.name}") in MODULES else node.module
                for alias in node.names
            }
        called = getattr(node, "id", None) or getattr(node, "attr", None)
        is_dynamic = called in ("__import__", "import_module") and module != "Models.Networks"
        assert not is_dynamic, f"{module} imports dynamically"
    return frozenset(imported)


def list_own_imports(module: str) -> set[str]:
    """Return the modules of this project that a module imports."""
    return {name for name in list_imports(module) if name in MODULES}


def test_all_modules_are_found():
    assert len(MODULES) >= 80
    assert {*SCRIPTS, "Config"} <= MODULES.keys()
    assert {"Models.Build", "keras"} <= list_imports("jnet.training.step")


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_modules_of_rows_above(module):
    layer = find_layer(module)
    for imported in sorted(list_own_imports(module)):
        if (other := find_layer(imported)) != layer:
            assert RANKS[other] < RANKS[layer], f"{module} imports {imported}"


def test_there_are_no_circular_imports():
    remaining = {module: list_own_imports(module) - {module} for module in MODULES}
    while free := [module for module, needs in remaining.items() if not needs & remaining.keys()]:
        for module in free:
            del remaining[module]
    assert not remaining, f"circular imports within {sorted(remaining)}"


@pytest.mark.parametrize("framework", sorted(FRAMEWORKS))
def test_a_framework_is_imported_only_by_allowed_modules(framework):
    for module in MODULES:
        if framework in {name.split(".")[0] for name in list_imports(module)}:
            prefixes = tuple(f"{prefix}." for prefix in ALLOWED[framework])
            assert f"{module}.".startswith(prefixes), module


def test_the_config_imports_only_settings():
    assert {find_layer(name) for name in list_own_imports("Config")} <= {
        *("Models.Entries", "Models.Networks", "jnet.errors", "jnet.settings")
    }
    assert {name.split(".")[0] for name in list_imports("Config")} & FRAMEWORKS == {"sacred"}


def test_scripts_import_no_large_package_at_module_level():
    """Errors in entries appear within a second; importing TensorFlow takes several."""
    light = ("Config", "Models.Entries", "jnet.errors", "jnet.system", "jnet.settings")
    for script in SCRIPTS:
        tree = ast.parse(MODULES[script].read_text())
        top = {str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom)}
        for name in top & MODULES.keys():
            assert name.startswith((*light, "jnet.recording")), f"{script} imports {name}"
        assert not {name.split(".")[0] for name in top} & FRAMEWORKS, script
        assert "Config" in top or script in WITHOUT_CONFIG


def test_scripts_have_at_most_100_lines():
    for script in SCRIPTS:
        assert len(MODULES[script].read_text().splitlines()) <= 100, script
