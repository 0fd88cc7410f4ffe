"""The program does not execute code from files: no unpickling, evaluation or shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = sorted(
    path
    for pattern in ("*.py", "Models/**/*.py", "jnet/**/*.py", "benchmarks/*.py")
    for path in ROOT.glob(pattern)
)
CODE_LOADERS = {
    "pickle",
    "cPickle",
    "cloudpickle",
    "dill",
    "shelve",
    "marshal",
    "jsonpickle",
    "h5py",
}
EVALUATORS = {"eval", "exec", "compile", "__import__"}
# Functions that can unpickle, by module and name, and the argument that must be False.
LOADERS = {
    ("np", "load"): "allow_pickle",
    ("numpy", "load"): "allow_pickle",
    ("np", "save"): "allow_pickle",
    ("format", "read_array"): "allow_pickle",
    ("format", "write_array"): "allow_pickle",
    ("joblib", "load"): None,
    ("torch", "load"): None,
    ("yaml", "load"): None,
    ("saving", "load_model"): None,
    ("models", "load_model"): None,
}


def find_dangers(source: str) -> list[str]:
    """Return the imports and calls in a source that could execute code from a file."""
    dangers = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [str(node.module)]
            dangers += [name for name in modules if name.split(".")[0] in CODE_LOADERS]
        elif isinstance(node, ast.Call):
            dangers += find_dangers_of_call(node)
    return dangers


def find_dangers_of_call(call: ast.Call) -> list[str]:
    """Return the name of a call that could execute code from a file."""
    arguments = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if arguments.get("shell", "False") != "False":
        return ["shell"]
    if isinstance(call.func, ast.Name):
        return [call.func.id] if call.func.id in EVALUATORS else []
    if not isinstance(call.func, ast.Attribute):
        return []
    owner = ast.unparse(call.func.value).split(".")[-1]
    if (owner, call.func.attr) not in LOADERS:
        return []
    safe = LOADERS[owner, call.func.attr]
    return [] if safe and arguments.get(safe) == "False" else [f"{owner}.{call.func.attr}"]


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_executes_no_code_from_files(path):
    assert find_dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "dangers"),
    [
        ("np.load(path)", ["np.load"]),
        ("np.load(path, allow_pickle=True)", ["np.load"]),
        ("np.load(path, allow_pickle=trusted)", ["np.load"]),
        ("np.load(path, mmap_mode='r', allow_pickle=False)", []),
        ("np.lib.format.read_array(file)", ["format.read_array"]),
        ("keras.saving.load_model(path)", ["saving.load_model"]),
        ("joblib.load(path)", ["joblib.load"]),
        ("import pickle", ["pickle"]),
        ("from pickle import loads", ["pickle"]),
        ("eval(text)", ["eval"]),
        ("re.compile(text)", []),
        ("subprocess.run(words, shell=True)", ["shell"]),
        ("subprocess.run(words)", []),
        ("json.load(file)", []),
    ],
)
def test_dangers_are_found(source, dangers):
    assert find_dangers(source) == dangers


def test_all_programs_are_checked():
    names = {path.name for path in PROGRAM}
    assert {"store.py", "manifests.py", "Predict.py", "scoring.py"} <= names
