import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto'
import { ReplayWindow } from '../srtp/replay-window.ts'

export const ContentType = { changeCipherSpec: 20, alert: 21, handshake: 22, applicationData: 23 } as const

const HEADER = 13
const DTLS_1_2 = 0xfefd
const EXPLICIT_NONCE = 8
const TAG = 16

/** A DTLS record (RFC 6347 section 4.1). */
export interface DtlsRecord {
  readonly type: number
  readonly epoch: number
  readonly sequence: number
  readonly fragment: Buffer
}

/** Takes a datagram apart. What does not fit ends the reading. */
export function parseRecords(datagram: Buffer): DtlsRecord[] {
  const records: DtlsRecord[] = []
  for (let at = 0; at + HEADER <= datagram.length;) {
    const length = datagram.readUInt16BE(at + 11)
    const end = at + HEADER + length
    if (datagram[at + 1] !== 0xfe || end > datagram.length) break
    records.push({
      type: datagram[at]!,
      epoch: datagram.readUInt16BE(at + 3),
      sequence: datagram.readUIntBE(at + 5, 6),
      fragment: datagram.subarray(at + HEADER, end),
    })
    at = end
  }
  return records
}

export function writeRecord({ type, epoch, sequence, fragment }: DtlsRecord): Buffer {
  const record = Buffer.allocUnsafe(HEADER + fragment.length)
  record.writeUInt8(type)
  record.writeUInt16BE(DTLS_1_2, 1)
  record.writeUInt16BE(epoch, 3)
  record.writeUIntBE(sequence, 5, 6)
  record.writeUInt16BE(fragment.length, 11)
  fragment.copy(record, HEADER)
  return record
}

/** Keys of one direction: AES-128-GCM for TLS (RFC 5288). */
export interface RecordKeys {
  readonly key: Buffer
  /** The implicit part of the nonce, 4 bytes. */
  readonly iv: Buffer
}

/** Protects what is sent in epoch 1. */
export class RecordSealer {
  readonly #key: KeyObject
  readonly #iv: Buffer

  constructor(keys: RecordKeys) {
    this.#key = createSecretKey(keys.key)
    this.#iv = keys.iv
  }

  /** The sequence number is the explicit nonce: it never repeats within an epoch. */
  seal(record: DtlsRecord): Buffer {
    const explicit = recordNumber(record)
    const cipher = createCipheriv('aes-128-gcm', this.#key, Buffer.concat([this.#iv, explicit]))
    cipher.setAAD(associatedData(record, record.fragment.length))
    const sealed = Buffer.concat([explicit, cipher.update(record.fragment), cipher.final()])
    return writeRecord({ ...record, fragment: Buffer.concat([sealed, cipher.getAuthTag()]) })
  }
}

/** Opens what comes in epoch 1; each record once. */
export class RecordOpener {
  readonly #key: KeyObject
  readonly #iv: Buffer
  readonly #window = new ReplayWindow()

  constructor(keys: RecordKeys) {
    this.#key = createSecretKey(keys.key)
    this.#iv = keys.iv
  }

  /** @returns the plain fragment; undefined when it is not authentic or not new */
  open(record: DtlsRecord): Buffer | undefined {
    const { fragment, sequence } = record
    const length = fragment.length - EXPLICIT_NONCE - TAG
    if (length < 0 || !this.#window.isNew(sequence)) return undefined
    const nonce = Buffer.concat([this.#iv, fragment.subarray(0, EXPLICIT_NONCE)])
    const decipher = createDecipheriv('aes-128-gcm', this.#key, nonce, { authTagLength: TAG })
    decipher.setAAD(associatedData(record, length))
    decipher.setAuthTag(fragment.subarray(fragment.length - TAG))
    const plain = decipher.update(fragment.subarray(EXPLICIT_NONCE, fragment.length - TAG))
    try {
      decipher.final()
    } catch {
      return undefined
    }
    this.#window.take(sequence)
    return plain
  }
}

/** Epoch and sequence number as one 64-bit number. */
function recordNumber({ epoch, sequence }: DtlsRecord): Buffer {
  const number = Buffer.allocUnsafe(8)
  number.writeUInt16BE(epoch)
  number.writeUIntBE(sequence, 2, 6)
  return number
}

/** RFC 5246 section 6.2.3.3, with the record number of DTLS. */
function associatedData(record: DtlsRecord, length: number): Buffer {
  const data = Buffer.allocUnsafe(13)
  recordNumber(record).copy(data)
  data.writeUInt8(record.type, 8)
  data.writeUInt16BE(DTLS_1_2, 9)
  data.writeUInt16BE(length, 11)
  return data
}
