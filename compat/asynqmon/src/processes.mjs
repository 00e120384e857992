// The programs beside the browser: a private Redis, the Rust peers, asynqmon, Prometheus. All end with this program.
import { spawn } from "node:child_process";
import { createWriteStream, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { until } from "./wait.mjs";

const started = [];
const directory = mkdtempSync(join(tmpdir(), "rasynq-mon."));

process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
  rmSync(directory, { recursive: true, force: true });
});

function start(name, program, args, stdin) {
  const child = spawn(program, args, { stdio: [stdin, "pipe", "pipe"] });
  started.push(child);
  child.on("error", (error) => {
    throw new Error(`${name} does not start: ${error.message}`);
  });
  const log = createWriteStream(join(directory, `${name}.log`));
  child.tail = [];
  createInterface({ input: child.stderr }).on("line", (line) => {
    log.write(line + "\n");
    child.tail.push(line);
    if (child.tail.length > 20) child.tail.shift();
  });
  return child;
}

/** A Redis server that listens on a unix socket only. */
export class Redis {
  static async start(server) {
    const redis = new Redis();
    redis.socket = join(directory, "redis.sock");
    redis.uri = `redis-socket://${redis.socket}`;
    start("redis", server, ["--port", "0", "--unixsocket", redis.socket, "--save", "", "--dir", directory], "ignore");
    await until("Redis answers", async () => (await redis.command("PING").catch(() => "")) === "+PONG");
    return redis;
  }

  /** Sends one command and returns the first line of the reply. */
  command(...words) {
    return new Promise((resolve, reject) => {
      const socket = connect(this.socket);
      let reply = "";
      socket.on("error", reject);
      socket.on("data", (bytes) => {
        reply += bytes;
        const end = reply.indexOf("\r\n");
        if (end < 0) return;
        socket.end();
        if (reply[0] === "-") reject(new Error(`Redis refuses ${words[0]}: ${reply.slice(1, end)}`));
        else resolve(reply.slice(0, end));
      });
      socket.write(`*${words.length}\r\n` + words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join(""));
    });
  }
}

/** A process of the Rust peer (compat/PEER.md). */
export class Peer {
  #next = 1;
  #waiting = new Map();
  events = [];

  constructor(name, program, uri) {
    this.child = start(name, program, ["--redis", uri], "pipe");
    this.child.on("exit", (code) => {
      for (const { reject } of this.#waiting.values()) {
        reject(new Error(`the peer ${name} has ended (${code}):\n${this.child.tail.join("\n")}`));
      }
    });
    createInterface({ input: this.child.stdout }).on("line", (line) => {
      const message = JSON.parse(line);
      if (message.event) {
        this.events.push(message);
        return;
      }
      const { resolve, reject, op } = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (!message.err) resolve(message.ok);
      else reject(Object.assign(new Error(`${op}: ${message.err.kind}: ${message.err.msg}`), { kind: message.err.kind }));
    });
  }

  ask(op, members = {}) {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, op: members.call ?? op });
      this.child.stdin.write(JSON.stringify({ id, op, ...members }) + "\n");
    });
  }

  inspect(call, members = {}) {
    return this.ask("inspect", { call, ...members });
  }
}

/** The exporter of `rasynq metrics` on this Redis, and a Prometheus that reads it. Returns its address. */
export async function startPrometheus(program, rasynq, uri) {
  const exporter = start("exporter", rasynq, ["metrics", "--uri", uri, "--listen", "127.0.0.1:0"], "ignore");
  const told = await until("the exporter tells its address", () => exporter.tail.map((line) => /http:\/\/(\S+)\/metrics/.exec(line)).find(Boolean));
  const settings = join(directory, "prometheus.yml");
  writeFileSync(settings, JSON.stringify({
    global: { scrape_interval: "1s", scrape_timeout: "1s" },
    scrape_configs: [{ job_name: "rasynq", static_configs: [{ targets: [told[1]] }] }],
  }));
  const listen = `127.0.0.1:${await freePort()}`;
  start("prometheus", program, [`--config.file=${settings}`, `--storage.tsdb.path=${join(directory, "prometheus")}`, `--web.listen-address=${listen}`], "ignore");
  await until("Prometheus is ready", async () => (await fetch(`http://${listen}/-/ready`).catch(() => ({}))).ok);
  return `http://${listen}`;
}

/** A port that is free now. Prometheus does not tell which one it takes. */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** asynqmon on this Redis. Returns its address. */
export async function startAsynqmon(program, uri, prometheus = "") {
  const child = start("asynqmon", program, ["--redis", uri, "--prometheus", prometheus], "ignore");
  const lines = createInterface({ input: child.stdout });
  const first = await new Promise((resolve, reject) => {
    lines.once("line", resolve);
    child.once("exit", () => reject(new Error(`asynqmon has ended:\n${child.tail.join("\n")}`)));
  });
  return first.replace("listening on ", "");
}
