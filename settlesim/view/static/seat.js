/* The seat of a panel: its static twin on the page, whose place the live panel takes.

   The output of a cell is the twin alone, so a saved notebook has something to show without a
   kernel. When the model of a panel is made, `initialize` looks for its twin and renders beside
   it; the twin is hidden meanwhile. When the kernel is gone, the twin is shown again. */

const SEAT = "settlesim-"; // a twin's class is this, then the id of the model
const SEATS = Symbol.for("settlesim.seats"); // one observer for a page: each panel is a module

/** Return the twins that are waited for, and `look`, which looks for them now. */
function seats() {
  if (window[SEATS]) return window[SEATS];
  const wanted = new Map(); // from a twin's class to what is done with it
  const look = () => {
    for (const twin of document.querySelectorAll(".settlesim-twin")) {
      for (const name of twin.classList) wanted.get(name)?.(twin);
    }
  };
  new MutationObserver(look).observe(document.body, { childList: true, subtree: true });
  window[SEATS] = { wanted, look };
  return window[SEATS];
}

/** Return the widget of a panel: `render` makes a view, `initialize` looks for the twin. */
function seated(render) {
  return { render, initialize: ({ model }) => takeSeat(model, render) };
}

/** Keep the panel in the place of its twin while the kernel is there; return a function to end that. */
function takeSeat(model, render) {
  const name = model.get("seat");
  const mounts = new Map(); // for each output with the twin, a function that removes the panel
  const mount = (twin) => {
    const output = twin.closest(".jp-OutputArea-output") ?? twin;
    if (mounts.has(output)) return;
    for (const [old, unmount] of mounts) if (!old.isConnected) unmount(); // it was cleared
    mounts.set(output, () => mounts.delete(output)); // one that cannot be rendered is not tried again
    mounts.set(output, mountBeside(output, model, render, () => mounts.delete(output)));
  };
  const start = () => { seats().wanted.set(name, mount); seats().look(); };
  const stop = () => {
    seats().wanted.delete(name);
    for (const unmount of [...mounts.values()]) unmount();
  };
  let whole = null;
  let over = false;
  const followKernel = () => (whole.comm_live ? start() : stop()); // not live after a restart
  const forgetKernel = whenKernelEnds(model, stop);
  const sitDown = async () => {
    whole = await wholeModel(model, name.slice(SEAT.length));
    if (over) return;
    whole?.on("comm_live_update", followKernel);
    if (!whole || whole.comm_live) start();
  };
  sitDown(); // not awaited: views of the same model would wait as well
  return () => {
    over = true;
    forgetKernel();
    whole?.off("comm_live_update", followKernel);
    stop();
  };
}

/** Render in the place of an output; return a function that brings the output back. */
function mountBeside(output, model, render, forget) {
  const el = h("div", { class: output.matches(".jp-OutputArea-output") ? "jp-OutputArea-output" : "" });
  output.after(el);
  let end;
  try {
    end = render({ model, el });
  } catch (error) { // the twin stays visible
    el.remove();
    throw error;
  }
  output.style.setProperty("display", "none", "important");
  return () => {
    forget();
    output.style.removeProperty("display");
    end();
    el.remove();
  };
}

/** Call `act` when the kernel has ended for good; return a function that stops listening. */
function whenKernelEnds(model, act) {
  const kernel = model.widget_manager?.kernel;
  const look = (_, status) => { if (["dead", "terminating"].includes(status)) act(); };
  kernel?.disposed?.connect(act);
  kernel?.statusChanged?.connect(look);
  return () => {
    kernel?.disposed?.disconnect(act);
    kernel?.statusChanged?.disconnect(look);
  };
}

/** Return the whole model, which knows whether its kernel is there; anywidget passes only a part. */
async function wholeModel(model, id) {
  try {
    return await model.widget_manager.get_model(id);
  } catch { // the page has no such manager
    return null;
  }
}
