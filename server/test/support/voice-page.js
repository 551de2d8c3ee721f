/*
 * Runs in the page: a small voice client, as docs/voice-protocol.md describes one. It is JavaScript, so that the types of
 * browsers do not spread into the server's.
 */
{
  const frames = []
  const listening = new Map()
  let slots = []
  let connection
  let microphone
  let audio
  let socket
  let options

  const send = (frame) => socket.send(JSON.stringify(frame))

  /** A browser that may use TCP alone is one that never sees the other candidates. */
  const filtered = (description) =>
    options.tcp
      ? { type: description.type, sdp: description.sdp.replace(/a=candidate:\d+ 1 udp .*\r\n/g, '') }
      : description

  const listen = (track, transceiver) => {
    const stream = new MediaStream([track])
    // Chromium decodes a remote track only when an element plays it.
    const element = new Audio()
    element.srcObject = stream
    element.muted = true
    void element.play()
    const analyser = audio.createAnalyser()
    analyser.fftSize = 8192
    analyser.smoothingTimeConstant = 0
    audio.createMediaStreamSource(stream).connect(analyser)
    listening.set(track.id, { analyser, track: track.id, mid: transceiver.mid })
  }

  const connect = async () => {
    connection?.close()
    listening.clear()
    connection = new RTCPeerConnection()
    connection.addEventListener('track', ({ track, transceiver }) => listen(track, transceiver))
    for (const track of microphone.getTracks()) connection.addTrack(track, microphone)
    await connection.setLocalDescription()
    send({ type: 'offer', offer: connection.localDescription })
  }

  const take = async (frame) => {
    frames.push(frame)
    if (frame.type === 'answer') await connection.setRemoteDescription(filtered(frame.answer))
    if (frame.type === 'offer') {
      await connection.setRemoteDescription(filtered(frame.offer))
      await connection.setLocalDescription()
      send({ type: 'answer', answer: connection.localDescription })
    }
    if (frame.type === 'slots') slots = frame.payload.slots
    if (frame.type === 'reset') await connect()
  }

  /** Joins by REST, then by the signalling socket. @returns the secrets that were handed out */
  const join = async (given) => {
    options = given
    audio = new AudioContext()
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }
    microphone = await navigator.mediaDevices.getUserMedia({ audio: plain })
    const response = await fetch(`${options.origin}/api/v1/channels/${options.channel}/join-audio`, {
      method: 'POST',
      headers: { authorization: `Bearer ${options.token}` },
    })
    const { webrtc_config: config } = await response.json()
    const url = new URL(config.signaling_url)
    url.searchParams.set('join_token', config.join_token)
    if (options.slots) url.searchParams.set('slots', String(options.slots))
    socket = new WebSocket(url)
    const joined = new Promise((resolve) => {
      let turn = Promise.resolve()
      socket.addEventListener('message', ({ data }) => {
        const frame = JSON.parse(data)
        if (frame.type === 'joined') resolve(frame)
        turn = turn.then(() => take(frame))
      })
    })
    const { resume_token } = await joined
    send({ type: 'join' })
    await connect()
    return [config.join_token, resume_token]
  }

  /** Whose track it is: by the place it is in, or by its name. */
  const userOf = ({ track, mid }) => slots.find((one) => one.mid === mid)?.user_id ?? track.slice(0, 36)

  const heard = () =>
    [...listening.values()].map((one) => {
      const bins = new Float32Array(one.analyser.frequencyBinCount)
      one.analyser.getFloatFrequencyData(bins)
      let loudest = 0
      for (let i = 1; i < bins.length; i++) if (bins[i] > bins[loudest]) loudest = i
      const hertz = (loudest * audio.sampleRate) / one.analyser.fftSize
      return { userId: userOf(one), hertz, decibels: bins[loudest] }
    })

  window.voice = {
    join,
    hears: (userId, hertz) =>
      heard().some((one) => one.userId === userId && one.decibels > -50 && Math.abs(one.hertz - hertz) < 30),
    isSilent: (userId) => heard().every((one) => one.userId !== userId || one.decibels < -70),
    got: (type, userId) =>
      frames.some((frame) => frame.type === type && (!userId || frame.payload?.user_id === userId)),
    protocol: async () => {
      const reports = [...(await connection.getStats()).values()]
      const pair = reports.find((one) => one.type === 'candidate-pair' && one.nominated)
      return reports.find((one) => one.id === pair?.localCandidateId)?.protocol ?? 'none'
    },
  }
}
