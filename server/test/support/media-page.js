// Runs in a browser: makes a video, and plays what the server has. Whoever is told of a result gets plain JSON.
window.media = {
  /** Encodes frames of one colour each second. @returns frames as `{ time, isKey, data }`, the data in base64 */
  async encode({ colours, width, height, framesPerSecond }) {
    const frames = []
    let failure
    const encoder = new VideoEncoder({
      output: (chunk) => {
        const bytes = new Uint8Array(chunk.byteLength)
        chunk.copyTo(bytes)
        const data = btoa(String.fromCharCode(...bytes))
        frames.push({ time: chunk.timestamp / 1000, isKey: chunk.type === 'key', data })
      },
      error: (error) => (failure = error),
    })
    encoder.configure({ codec: 'vp8', width, height, bitrate: 300_000 })
    const canvas = new OffscreenCanvas(width, height)
    const pen = canvas.getContext('2d')
    for (let number = 0; number < colours.length * framesPerSecond; number++) {
      pen.fillStyle = `rgb(${colours[Math.floor(number / framesPerSecond)].join(' ')})`
      pen.fillRect(0, 0, width, height)
      const frame = new VideoFrame(canvas, { timestamp: (number * 1_000_000) / framesPerSecond })
      encoder.encode(frame, { keyFrame: number % framesPerSecond === 0 })
      frame.close()
    }
    await encoder.flush()
    if (failure) throw new Error(failure.message)
    return frames
  },

  /** Loads what a player needs to begin. @returns its length in seconds */
  async open(url) {
    const video = document.createElement('video')
    Object.assign(video, { muted: true, preload: 'metadata', src: url })
    document.body.replaceChildren(video)
    await new Promise((resolve, reject) => {
      video.addEventListener('loadeddata', resolve, { once: true })
      video.addEventListener('error', () => reject(new Error(video.error.message)), { once: true })
    })
    return video.duration
  },

  /** Jumps to a time. @returns the colour of the picture there */
  async seek(seconds) {
    const video = document.querySelector('video')
    const seeked = new Promise((resolve) => video.addEventListener('seeked', resolve, { once: true }))
    video.currentTime = seconds
    await seeked
    const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight)
    const pen = canvas.getContext('2d')
    pen.drawImage(video, 0, 0)
    return [...pen.getImageData(video.videoWidth / 2, video.videoHeight / 2, 1, 1).data.slice(0, 3)]
  },

  /** Plays until the time has gone on by as much. */
  async play(seconds) {
    const video = document.querySelector('video')
    const from = video.currentTime
    await video.play()
    while (video.currentTime < from + seconds) await new Promise(requestAnimationFrame)
    video.pause()
  },

  /** Shows a picture. @returns its size */
  async show(url) {
    const image = document.createElement('img')
    image.src = url
    document.body.replaceChildren(image)
    await image.decode()
    return [image.naturalWidth, image.naturalHeight]
  },
}
