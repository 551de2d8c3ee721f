import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client'

/** What operators watch, in Prometheus' text format. Labels are few and never carry what people sent. */
export class Metrics {
  readonly registry = new Registry()
  readonly requests: Histogram<'method' | 'route' | 'status'>
  readonly sockets: Gauge
  readonly frames: Counter
  readonly socketsClosed: Counter<'reason'>
  readonly messages: Counter
  readonly rateLimitWarnings: Counter<'scope' | 'bucket'>

  constructor() {
    const registers = [this.registry]
    collectDefaultMetrics({ register: this.registry })
    this.requests = new Histogram({
      name: 'pufferblow_http_request_seconds',
      help: 'Time from the first byte of a request to the end of its answer',
      labelNames: ['method', 'route', 'status'],
      buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5],
      registers,
    })
    this.sockets = new Gauge({ name: 'pufferblow_sockets_open', help: 'WebSockets open now', registers })
    this.frames = new Counter({
      name: 'pufferblow_frames_sent_total',
      help: 'Frames written to sockets',
      registers,
    })
    this.socketsClosed = new Counter({
      name: 'pufferblow_sockets_closed_total',
      help: 'WebSockets that the server closed, by close code',
      labelNames: ['reason'],
      registers,
    })
    this.messages = new Counter({
      name: 'pufferblow_messages_sent_total',
      help: 'Messages stored',
      registers,
    })
    this.rateLimitWarnings = new Counter({
      name: 'pufferblow_rate_limit_warnings_total',
      help: 'Warnings given for too many requests, by who was counted and what for',
      labelNames: ['scope', 'bucket'],
      registers,
    })
  }
}
