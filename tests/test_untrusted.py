"""No file from elsewhere is run: nothing in the program unpickles, evaluates or asks a shell."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = sorted(
    path
    for folder in ("", "Spec", "Models", "Input", "Engine", "Evaluation", "Recording")
    for path in (ROOT / folder).glob("*.py")
)
PROGRAM += sorted((ROOT / "Reproduction").glob("*.py")) + sorted((ROOT / "benchmarks").glob("*.py"))
RUNS_CODE = {"pickle", "cPickle", "cloudpickle", "dill", "shelve", "marshal", "jsonpickle", "h5py"}
EVALUATES = {"eval", "exec", "compile", "__import__"}
# Functions that may unpickle, by the module's name before the dot, and what makes them safe.
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


def dangers(source: str) -> list[str]:
    """Whatever in a module could run what a file says."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names]
            modules = names if isinstance(node, ast.Import) else [str(node.module)]
            found += [name for name in modules if name.split(".")[0] in RUNS_CODE]
        elif isinstance(node, ast.Call):
            found += danger_of_call(node)
    return found


def danger_of_call(call: ast.Call) -> list[str]:
    """What is dangerous in one call."""
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if given.get("shell", "False") != "False":
        return ["shell"]
    if isinstance(call.func, ast.Name):
        return [call.func.id] if call.func.id in EVALUATES else []
    if not isinstance(call.func, ast.Attribute):
        return []
    owner = ast.unparse(call.func.value).split(".")[-1]
    if (owner, call.func.attr) not in LOADERS:
        return []
    safe = LOADERS[owner, call.func.attr]
    return [] if safe and given.get(safe) == "False" else [f"{owner}.{call.func.attr}"]


@pytest.mark.parametrize("path", PROGRAM, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_runs_nothing_that_a_file_says(path):
    assert dangers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("source", "found"),
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
def test_what_is_dangerous_is_seen(source, found):
    assert dangers(source) == found


def test_the_program_is_looked_at():
    assert {"Store.py", "Weights.py", "Predict.py", "scoring.py"} <= {path.name for path in PROGRAM}
