/* Server-sent events in answer to a form, which EventSource cannot send. `next()` gives { name, data, id }, or null at the
   end, and throws where the connection breaks off; `cancel()` lets go of it. */

export const isStream = (response) => response.headers.get("Content-Type")?.startsWith("text/event-stream") ?? false;

export class PostedStream {
  constructor(response) {
    this.reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    this.unread = "";
    this.events = [];
  }

  async next() {
    while (!this.events.length) {
      const { value, done } = await this.reader.read();
      if (done) return null;
      const blocks = (this.unread + value).split("\n\n");
      this.unread = blocks.pop();
      this.events = blocks.map(read).filter((event) => event.name);
    }
    return this.events.shift();
  }

  cancel() {
    // one that broke off cannot be cancelled any more
    this.reader.cancel().catch(() => {});
  }
}

function read(block) {
  const fields = Object.fromEntries(block.split("\n").map((line) => line.split(/: (.*)/s)));
  return { name: fields.event, data: fields.data && JSON.parse(fields.data), id: fields.id };
}
