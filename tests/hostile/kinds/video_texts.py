"""Texts in the formats that name other files, and the names that they can have."""

from __future__ import annotations

__all__ = ["NAMES", "TEXTS"]

TEXTS = {
    "ffconcat": "ffconcat version 1.0\nfile '{0}'\nduration 1\nfile '{1}'\n",
    "concat": "file '{0}'\nfile '{1}'\n",
    "hls": "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:0\n"
    "#EXTINF:1.0,\n{0}\n#EXTINF:1.0,\n{1}\n#EXT-X-ENDLIST\n",
    "hls master": "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=9\n{0}\n"
    "#EXT-X-STREAM-INF:BANDWIDTH=2\n{1}\n",
    "hls key": '#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-KEY:METHOD=AES-128,URI="{0}"\n'
    '#EXT-X-MAP:URI="{1}"\n#EXTINF:1,\n{0}\n#EXT-X-ENDLIST\n',
    "dash": '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" '
    'mediaPresentationDuration="PT4S" minBufferTime="PT1S"><Period>'
    '<AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="9"><BaseURL>{0}</BaseURL><SegmentBase indexRange="0-9">'
    '<Initialization range="0-9" sourceURL="{1}"/></SegmentBase></Representation></AdaptationSet>'
    "</Period></MPD>\n",
    "xxe": '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "{0}">]><MPD>&x;</MPD>\n',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "smil": '<smil><body><video src="{0}"/></body></smil>\n',
    "asx": '<ASX version="3.0"><Entry><Ref href="{0}"/></Entry></ASX>\n',
    "ismc": '<SmoothStreamingMedia MajorVersion="2" Url="{0}"/>\n',
    "imf": '<?xml version="1.0"?>'
    '<CompositionPlaylist xmlns="x"><Id>{0}</Id></CompositionPlaylist>\n',
    "rtsptext": "[Reference]\nRef1={0}\nRef2={1}\n",
    "ffmetadata": ";FFMETADATA1\ntitle={0}\n",
    "vobsub": "# VobSub index file, v7\nid: en, index: 0\ntimestamp: 00:00:01:000, filepos: 0\n",
    "srt": "1\n00:00:00,000 --> 00:00:01,000\n{0}\n",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="{0}"/></svg>\n',
    "avs": 'AviSource("{0}")\n',
    "dvd": "dvdvideo:{0}\n",
}
NAMES = (
    "{outside}/secret.mp4",
    "../outside/secret.mp4",
    "neighbour.ts",
    "neighbour.mp4",
    "file:{outside}/secret.ts",
    "file://{outside}/secret.mp4",
    "subfile,,start,0,end,64,,:{outside}/secret.mp4",
    "concat:{outside}/secret.ts|{outside}/secret.mp4",
    "crypto:{outside}/secret.mp4",
    "async:{outside}/secret.mp4",
    "cache:{outside}/secret.mp4",
    "http://127.0.0.1:9/x.ts",
    "https://127.0.0.1:9/x.mp4",
    "rtmp://127.0.0.1:9/x",
    "rtsp://127.0.0.1:9/x",
    "udp://127.0.0.1:9",
    "tcp://127.0.0.1:9",
    "hls+http://127.0.0.1:9/x.m3u8",
    "data:video/mp4;base64,AAAA",
    "pipe:0",
    "fd:0",
    "/dev/stdin",
    "neighbour%03d.png",
)
