// Python in a thread next to the page: it audits a table as the command does.
const KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"; // whose settings name Pyodide's address
const AUDIT = `
from pathlib import Path
from cryutils.claims import audit
from cryutils.errors import InputError, printable

def report(name):
    try:
        lines = audit.lines(audit.audit(audit.read(Path(name))))
        return "\\n".join(map(printable, lines)), ""
    except InputError as error:
        return "", printable(error)

report
`;
let python = null;

async function load(pyodide, packages) {
  let problem = "";
  await pyodide.loadPackage(packages, { errorCallback: words => { problem ||= words; } });
  if (problem) throw new Error(problem);
}

async function start({ wheel, lite }) {
  const settings = await fetch(new URL("jupyter-lite.json", lite));
  if (!settings.ok) throw new Error("this site has no folder lite");
  const address = (await settings.json())["jupyter-config-data"].litePluginSettings[KERNEL].pyodideUrl;
  const { loadPyodide } = await import(new URL(address, lite).href);
  const pyodide = await loadPyodide();
  postMessage({ doing: "Loading NumPy, pandas, SciPy and scikit-learn …" });
  await load(pyodide, ["numpy", "pandas", "scikit-learn", "scipy", wheel]);
  return { pyodide, audit: pyodide.runPython(AUDIT) };
}

async function check({ pyodide, audit }, { name, content }) {
  const isParquet = /\.parquet$/i.test(name);
  if (isParquet && !pyodide.lockfile.packages.pyarrow)
    return { refused: `${name}: save the table as CSV, or use the command: Parquet cannot be read here.` };
  if (isParquet) await load(pyodide, "pyarrow");
  postMessage({ doing: `Checking ${name} …` });
  pyodide.FS.writeFile(name, new Uint8Array(content));
  try {
    const [report, refused] = audit(name);
    return { name, report, refused };
  } catch (error) {
    const reason = error.message.trim().split("\n").at(-1);
    return { refused: `${name}: the audit failed here (${reason}). Use the command.` };
  } finally {
    pyodide.FS.unlink(name);
  }
}

onmessage = async ({ data }) => {
  try {
    python ??= start(data);
    postMessage(await check(await python, data));
  } catch (error) {
    postMessage({ failed: error.message });
  }
};
