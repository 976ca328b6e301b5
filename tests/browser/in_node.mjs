// Runs pytest in Pyodide. Arguments: Pyodide's folder, the clone, a folder of pure packages, pytest's options.
const [files, clone, packages, ...options] = process.argv.slice(2);
const { loadPyodide } = await import(`${files}/pyodide.mjs`);
const python = await loadPyodide({ indexURL: `${files}/`, packageCacheDir: files });
const wanted = ["click", "decorator", "ipython", "lazy-loader", "matplotlib", "msgpack", "platformdirs"];
wanted.push("pandas", "requests", "scikit-learn", "soxr", "tqdm", "typing-extensions");
await python.loadPackage(wanted, { messageCallback() {} });
for (const [path, root] of Object.entries({ "/clone": clone, "/packages": packages })) {
  python.FS.mkdir(path);
  python.mountNodeFS(path, root);
}
python.globals.set("options", python.toPy(options));
const code = `
import os, sys
sys.dont_write_bytecode = True
sys.path = ["/clone", *sys.path, "/packages"]
os.chdir("/clone")
os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = "/hypothesis"
import pytest
int(pytest.main(options))`;
process.exitCode = await python.runPythonAsync(code);
