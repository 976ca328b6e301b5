// Python in a thread next to the page: it audits a table as the command does.
const KERNEL = "@jupyterlite/pyodide-kernel-extension:kernel"; // whose settings name Pyodide's address
const PACKAGES = ["numpy", "pandas", "scikit-learn", "scipy", "matplotlib"];
const AUDIT = `
from pathlib import Path
from cryutils.claims import audit
from cryutils.errors import InputError, printable

def report(name):
    try:
        table = audit.read(Path(name))
        result = audit.audit(table)
        text = "\\n".join(map(printable, audit.lines(result)))
        return text, audit.page(result, table, title=name), ""
    except InputError as error:
        return "", "", printable(error)
report
`;
let python = null, source = "this site";

async function load(pyodide, packages) {
  let problem = "";
  await pyodide.loadPackage(packages, { errorCallback: words => { problem ||= words; } });
  if (problem) throw new Error(problem);
}

async function start({ wheel, lite }) {
  const settings = await fetch(new URL("jupyter-lite.json", lite));
  const address = (await settings.json())["jupyter-config-data"].litePluginSettings[KERNEL].pyodideUrl;
  source = new URL(address, lite).host;
  const { loadPyodide } = await import(new URL(address, lite).href);
  const pyodide = await loadPyodide();
  postMessage({ doing: "Loading NumPy, pandas, SciPy, scikit-learn and Matplotlib …" });
  await load(pyodide, [...PACKAGES, wheel]);
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
    const [text, page, refused] = audit(name);
    return { name, text, page, refused };
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
    console.warn(error);
    postMessage({ failed: source });
  }
};
