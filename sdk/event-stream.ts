// Server-sent events read from a fetch: an EventSource cannot send an Authorization header. The format is that of
// https://html.spec.whatwg.org/multipage/server-sent-events.html (9.2.5 and 9.2.6), without `id` and `retry`.

export interface StreamEvent {
  readonly event: string;
  readonly data: string;
}

/** Longer events are not of the protocol. */
const EVENT_MAX = 64 * 1024;

/**
 * The events of a stream, and `null` for each comment (a sign of life). Ends with the stream.
 * @throws RangeError for an event that does not end
 */
export async function* readEvents(stream: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent | null> {
  const reader = stream.getReader();
  const decoder = new TextDecoder();
  let rest = '';
  let afterReturn = false;
  let event = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      let text = decoder.decode(value, { stream: true });
      if (text === '') continue;
      // A CR ends its line at once; should it be the first half of a CRLF, the rest of that ends nothing more.
      if (afterReturn && text.startsWith('\n')) text = text.slice(1);
      afterReturn = text.endsWith('\r');
      rest += text;
      if (rest.length > EVENT_MAX) throw new RangeError('event too long');
      const lines = rest.split(/\r\n|[\r\n]/);
      rest = lines.pop() ?? '';
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield { event: event || 'message', data: data.join('\n') };
          event = '';
          data = [];
        } else if (line.startsWith(':')) {
          yield null;
        } else {
          const [, field, content = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
          if (field === 'event') event = content;
          else if (field === 'data') data.push(content);
        }
      }
      if (data.reduce((length, part) => length + part.length, 0) > EVENT_MAX)
        throw new RangeError('event too long');
    }
  } finally {
    // Also when the reader stops early: the connection is let go.
    await reader.cancel().catch(() => undefined);
  }
}
