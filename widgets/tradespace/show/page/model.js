// What a widget shows and says, as anywidget's models, with functions in place of the kernel.

export class Model extends EventTarget {
  on = this.addEventListener;
  off = this.removeEventListener;

  /**
   * @param {Record<string, any>} values
   * @param {{ saved?: () => void, sent?: (content: any) => void }} [kernel] hears that the widget saved, and what it sent
   */
  constructor(values, kernel = {}) {
    super();
    this.values = values;
    this.kernel = kernel;
  }

  get = (name) => this.values[name];
  set = (name, value) => this.update({ [name]: value });
  save_changes = () => this.kernel.saved?.();
  send = (content) => this.kernel.sent?.(content);

  /** Lets the handlers of an event hear a message. */
  tell(event, message = {}) {
    this.dispatchEvent(Object.assign(new Event(event), message));
  }

  /** Changes several values, as one message of a kernel does. */
  update(values) {
    const changed = Object.keys(values).filter((name) => this.values[name] !== values[name]);
    Object.assign(this.values, values);
    for (const name of changed) this.tell(`change:${name}`);
    if (changed.length) this.tell("change");
  }
}
