/**
 * `Connection`: one end of a pipe.
 * @module
 */
import { ConnectionError, EncodingError } from "../errors.ts";
import { deadlineOf, now, throwIfAborted, type WaitOptions } from "../memory/park.ts";
import { isDropping, note, type Ticket } from "../transport/cargo.ts";
import { registerHandle } from "../transport/handles.ts";
import { WAITABLE, type WaitState } from "../transport/waitable.ts";
import {
  type BytesLike,
  encoded,
  into,
  piece,
  type RecvBytesIntoOptions,
  type RecvBytesOptions,
  type SendBytesOptions,
  wantOf,
} from "./pipe_arguments.ts";
import { PipeEnd } from "./pipe_end.ts";
import type { Holds, TicketPlace } from "./pipe_holds.ts";
import type { Inbound } from "./pipe_in.ts";
import { BYTES, closedError, outgoing } from "./pipe_message.ts";
import { type Outbound, SENT } from "./pipe_out.ts";
import { NOTHING, open, openSync, VALUE, type Want } from "./pipe_reader.ts";
import { breathe, outOfBreath } from "./queue_wait.ts";

/** What crosses to another process: the pipe, which end, and the ticket of this copy. */
interface ConnectionWire extends TicketPlace {
  readonly buffer: SharedArrayBuffer;
  readonly side: number;
}

/** A copy of a connection that is in a message which is not published yet. */
class EndTicket implements Ticket {
  readonly #end: PipeEnd;
  readonly #holds: Holds;
  readonly #place: TicketPlace;

  constructor(end: PipeEnd, place: TicketPlace) {
    this.#end = end;
    this.#holds = end.own;
    this.#place = place;
  }

  sent(): void {
    this.#holds.sent(this.#place);
  }

  undo(): void {
    this.#end.arrived(this.#place, false);
  }
}

/** Lets go of the end of a connection that was forgotten. */
const forgotten = new FinalizationRegistry<PipeEnd>((end) => end.remove());

/**
 * One end of a {@linkcode Pipe}. Messages keep their boundaries and their order. It may be passed to any process, nested in
 * anything; that is a copy, and the sender's own stays open.
 *
 * An end is open while any process has a copy of it that was not closed. When the other end is not, because it was closed
 * everywhere or its processes have ended, `recv` gives what is left and then throws `EndOfFileError`, and `send` throws
 * `BrokenPipeError`; who is waiting learns of a death within 250 ms. So a process should close the ends that it does not use, first
 * of all its own copy of what it has passed on. What happened before a message was sent is visible after it was received.
 *
 * Python: `multiprocessing.connection.Connection`, with these differences. Several processes may use one end at the same time:
 * each message goes to one of them, whole. `recv` gives a `Uint8Array` for a message from `sendBytes`. A message that is
 * too long for `maxLength` stays in the pipe, which goes on. A thread that would wait for itself for ever gets a
 * `DeadlockError`. Times are milliseconds. There is no `fileno`.
 *
 * @typeParam S what is sent
 * @typeParam R what is received
 *
 * @example
 * ```ts
 * import { Pipe } from "@manycore/multiprocessing";
 *
 * const [a, b] = Pipe<string>();
 * await a.send("hello");
 * console.log(await b.recv()); // hello
 * a.close();
 * b.close();
 * ```
 */
export class Connection<S = unknown, R = S> {
  static {
    registerHandle<Connection, ConnectionWire>("Connection", Connection, {
      detach(connection) {
        const end = connection.#open("send the connection");
        const ticket = end.own.leave();
        if (!note(new EndTicket(end, ticket))) end.own.sent(ticket);
        return { buffer: end.memory.buffer, side: end.side, ...ticket };
      },
      attach({ buffer, side, place, serial }) {
        const end = PipeEnd.from(buffer, side);
        const keep = !isDropping();
        end.arrived({ place, serial }, keep);
        const connection = new Connection(end);
        if (!keep) connection.#closed = true;
        return connection;
      },
      drop({ buffer, side, place, serial }) {
        PipeEnd.from(buffer, side).arrived({ place, serial }, false);
      },
    });
    // How Node, Bun and Deno show it in console.log.
    for (const name of ["nodejs.util.inspect.custom", "Deno.customInspect"]) {
      Object.defineProperty(this.prototype, Symbol.for(name), {
        value(this: Connection): string {
          return this.toString();
        },
      });
    }
  }

  readonly #end: PipeEnd;
  #closed = false;

  /** For this library's own use: {@linkcode Pipe} makes connections. @param end the end of the pipe */
  constructor(end: object) {
    if (!(end instanceof PipeEnd)) {
      throw new TypeError("Cannot make a Connection by itself: call Pipe(), which makes two.");
    }
    this.#end = end;
    forgotten.register(this, end, this);
  }

  /**
   * Sends a value, a copy of which is received at the other end. It waits while the pipe is full, without blocking the
   * thread. The copy is made by the call itself, and sends of one process keep their order, awaited or not.
   *
   * @param value anything that can be passed to a process
   * @param options a time limit in ms, a signal; a long message that is cut off by them is an error for its receiver
   * @throws {EncodingError} when the value cannot be sent; its path says what in it
   * @throws {BrokenPipeError} when nobody is left who could receive it
   * @throws {ConnectionClosedError} when this connection is closed, {ConnectionError} when it only receives
   * @throws {TimeoutError} when the time limit passes; the signal's reason
   */
  send(value: S, options?: WaitOptions): Promise<void> {
    try {
      const out = this.#outbound("send");
      if (options === undefined && out.trySendDirect(value)) {
        out.published();
        return outOfBreath() ? breathe() : SENT;
      }
      return this.#sendSlow(out, value, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends a value, blocking the thread while the pipe is full. Parameters and errors as {@linkcode Connection.send}. */
  sendSync(value: S, options?: WaitOptions): void {
    const out = this.#outbound("sendSync");
    if (options === undefined && out.trySendDirect(value)) return out.published();
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const message = encoded(value);
    if (message.cargo === undefined && out.trySend(message.bytes, 0, message.length, message.tag)) out.published();
    else out.sendSync(message, deadline);
  }

  /**
   * Receives the next message, waiting for it without blocking the thread. Calls of one process that wait get the messages in the
   * order of the calls; a blocking call does not stand in that line. When the time is over in the middle of a long message, the
   * next call gets it; should this thread be blocked then, other processes at this end wait for it.
   *
   * @param options a time limit in ms, a signal
   * @returns what was sent: a value, or a `Uint8Array` for a message from `sendBytes`
   * @throws {EndOfFileError} when there is none, and nobody is left who could send one
   * @throws {ConnectionClosedError} when this connection is closed, {ConnectionError} when it only sends, or when the
   *   message was cut off by the end of its sender
   * @throws {TimeoutError} when the time limit passes; the signal's reason
   */
  recv(options?: WaitOptions): Promise<R> {
    return this.#receive("recv", VALUE, options) as Promise<R>;
  }

  /** Receives the next message, blocking the thread until there is one. Parameters and errors as {@linkcode Connection.recv}. */
  recvSync(options?: WaitOptions): R {
    return this.#receiveSync("recvSync", VALUE, options) as R;
  }

  /**
   * Sends bytes as one message. It waits while the pipe is full, without blocking the thread; until then the bytes must stay
   * as they are.
   *
   * @param bytes what is sent, copied once
   * @param options `offset` and `size` in bytes, a time limit in ms, a signal
   * @throws {RangeError} when `offset` and `size` are not within the bytes; otherwise as {@linkcode Connection.send}
   */
  sendBytes(bytes: BytesLike, options?: SendBytesOptions): Promise<void> {
    try {
      const out = this.#outbound("sendBytes");
      const [view, start, length] = piece(bytes, options);
      const deadline = deadlineOf(options);
      throwIfAborted(options);
      if (!out.trySend(view, start, length, BYTES)) {
        return this.#sent(out.send(outgoing(view, start, length, BYTES), true, deadline, options?.signal, this));
      }
      out.published();
      return outOfBreath() ? breathe() : SENT;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Sends bytes as one message, blocking the thread while the pipe is full. As {@linkcode Connection.sendBytes}. */
  sendBytesSync(bytes: BytesLike, options?: SendBytesOptions): void {
    const out = this.#outbound("sendBytesSync");
    const [view, start, length] = piece(bytes, options);
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    if (out.trySend(view, start, length, BYTES)) out.published();
    else out.sendSync(outgoing(view, start, length, BYTES), deadline);
  }

  /**
   * Receives the next message, which has to be one from `sendBytes`, waiting for it without blocking the thread.
   *
   * @param options the longest message, a time limit in ms, a signal
   * @returns the bytes, in memory of their own
   * @throws {ConnectionError} when the message is longer than `maxLength`, or is a value; it stays there. Otherwise as
   *   {@linkcode Connection.recv}
   */
  recvBytes(options?: RecvBytesOptions): Promise<Uint8Array<ArrayBuffer>> {
    try {
      return this.#receive("recvBytes", wantOf(options), options) as Promise<Uint8Array<ArrayBuffer>>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Receives bytes, blocking the thread until there is a message. As {@linkcode Connection.recvBytes}. */
  recvBytesSync(options?: RecvBytesOptions): Uint8Array<ArrayBuffer> {
    return this.#receiveSync("recvBytesSync", wantOf(options), options) as Uint8Array<ArrayBuffer>;
  }

  /**
   * Receives the next message, which has to be one from `sendBytes`, into memory that is there already. It waits for the
   * message without blocking the thread.
   *
   * @param buffer where the bytes go
   * @param options where they begin in it, a time limit in ms, a signal
   * @returns how many bytes the message has
   * @throws {BufferTooShortError} when the message does not fit; it is in the error's `bytes`. Otherwise as
   *   {@linkcode Connection.recvBytes}
   */
  recvBytesInto(buffer: BytesLike, options?: RecvBytesIntoOptions): Promise<number> {
    try {
      return this.#receive("recvBytesInto", into(buffer, options), options) as Promise<number>;
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Receives bytes into memory, blocking the thread until there is a message. As {@linkcode Connection.recvBytesInto}. */
  recvBytesIntoSync(buffer: BytesLike, options?: RecvBytesIntoOptions): number {
    return this.#receiveSync("recvBytesIntoSync", into(buffer, options), options) as number;
  }

  /**
   * Whether `recv` would not wait: there is a message, or no message can come any more. Without a time limit it answers at
   * once; with one it waits so long for a message, without blocking the thread.
   *
   * @param options a time limit in ms, `Infinity` for none; a signal
   * @throws {ConnectionClosedError} when this connection is closed, {ConnectionError} when it only sends
   */
  async poll(options?: WaitOptions): Promise<boolean> {
    const inbound = this.#inbound("poll");
    throwIfAborted(options);
    return await inbound.poll(deadlineOf({ timeout: options?.timeout ?? 0 }), options?.signal);
  }

  /** The same as {@linkcode Connection.poll}, blocking the thread while it waits. */
  pollSync(options?: WaitOptions): boolean {
    const inbound = this.#inbound("pollSync");
    throwIfAborted(options);
    return inbound.pollSync(deadlineOf({ timeout: options?.timeout ?? 0 }));
  }

  /**
   * The messages, until nobody is left who could send any. It waits without blocking the thread.
   *
   * @example
   * ```ts
   * import { Pipe } from "@manycore/multiprocessing";
   *
   * const [receiver, sender] = Pipe<number>({ duplex: false });
   * for (let i = 0; i < 3; i++) sender.sendSync(i);
   * sender.close();
   * for await (const n of receiver) console.log(n); // 0 1 2
   * ```
   */
  async *[Symbol.asyncIterator](): AsyncIterableIterator<R> {
    for (;;) {
      let value: R;
      try {
        value = await this.recv();
      } catch (error) {
        if (error instanceof Error && error.name === "EndOfFileError") return;
        throw error;
      }
      yield value;
    }
  }

  /**
   * Lets go of this copy of the end. It never blocks and can be called again. When it was the last copy anywhere, the other
   * end gets `EndOfFileError` or `BrokenPipeError`; what was sent before is still received there. When it was the last copy in
   * this process, calls that still wait are rejected with `ConnectionClosedError`: a `send()` whose message there is no room for
   * is not sent, and one that was begun is cut off, which its receiver is told. So await what has to arrive.
   */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    forgotten.unregister(this);
    this.#end.remove();
  }

  /** Closes it, at the end of a `using` block. */
  [Symbol.dispose](): void {
    this.close();
  }

  /** Whether it was closed here. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Whether messages can be received from it. */
  get readable(): boolean {
    return this.#end.receives;
  }

  /** Whether messages can be sent on it. */
  get writable(): boolean {
    return this.#end.sends;
  }

  /** How `wait()` waits for it: it is ready when `recv` would not wait. */
  get [WAITABLE](): WaitState {
    return this.#inbound("wait for");
  }

  /** A line with its number and state. */
  toString(): string {
    const way = this.readable ? this.writable ? "" : ", receives only" : ", sends only";
    return `<${this.#end.label}${way}${this.#closed ? ", closed" : ""}>`;
  }

  /** Its name for `Object.prototype.toString`. */
  get [Symbol.toStringTag](): string {
    return "Connection";
  }

  #open(what: string): PipeEnd {
    if (this.#closed) {
      const error = closedError(this.#end.label, what);
      throw what === "send the connection" ? new EncodingError(error.message, "", { cause: error }) : error;
    }
    return this.#end;
  }

  #outbound(what: string): Outbound {
    const end = this.#open(what);
    if (!end.sends) {
      throw new ConnectionError(`Cannot ${what}: ${end.label} is read-only; the other end of this pipe sends.`);
    }
    return end.outbound;
  }

  #inbound(what: string): Inbound {
    const end = this.#open(what);
    if (!end.receives) {
      throw new ConnectionError(`Cannot ${what}: ${end.label} is write-only; the other end of this pipe receives.`);
    }
    return end.inbound;
  }

  #sendSlow(out: Outbound, value: S, options: WaitOptions | undefined): Promise<void> {
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    const message = encoded(value);
    if (message.cargo === undefined && out.trySend(message.bytes, 0, message.length, message.tag)) {
      out.published();
      return outOfBreath() ? breathe() : SENT;
    }
    return this.#sent(out.send(message, false, deadline, options?.signal, this));
  }

  /** The event loop turns now and then, also when nobody ever has to wait. */
  #sent(sending: Promise<void>): Promise<void> {
    return sending === SENT && outOfBreath() ? breathe() : sending;
  }

  #receive(what: string, want: Want, options: WaitOptions | undefined): Promise<unknown> {
    try {
      const inbound = this.#inbound(what);
      const deadline = options === undefined ? Infinity : deadlineOf(options);
      throwIfAborted(options);
      if (inbound.line.isEmpty) {
        const got = inbound.tryReceive(want);
        if (got !== NOTHING) {
          const value = open(got);
          if (value instanceof Promise) return value;
          // It is taken at the call: calls that nobody awaits get their messages in order.
          return outOfBreath() ? breathe().then(() => value) : Promise.resolve(value);
        }
        inbound.throwIfOver();
        if (deadline !== Infinity && deadline <= now()) {
          inbound.endedEarly(want);
          throw inbound.late();
        }
      }
      return inbound.line.add(want, deadline, options?.signal, this);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #receiveSync(what: string, want: Want, options: WaitOptions | undefined): unknown {
    const inbound = this.#inbound(what);
    if (options === undefined && inbound.line.isEmpty) {
      const got = inbound.tryReceive(want);
      if (got !== NOTHING) return openSync(got);
    }
    const deadline = deadlineOf(options);
    throwIfAborted(options);
    return inbound.receiveSync(want, deadline);
  }
}
