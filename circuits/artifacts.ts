// Written by `npm run build:circuits`: the content of artifacts.json. Do not edit.

export const ARTIFACTS = {
  "pin": {
    "version": 1,
    "constraints": 258,
    "publicSignals": 2,
    "files": {
      "pin-abab708c61c08227.key": {
        "sha256": "abab708c61c08227c8d0639de0e12c7aa4f3c1111964c18ead2ba00a8a4ef4c8",
        "bytes": 91108
      },
      "pin-0ac64a37103732b4.zkey": {
        "sha256": "0ac64a37103732b4719cb71d2fe66ed3f0eeb8ef21c9592717579c6d45740591",
        "bytes": 418475
      },
      "pin-b3865004bd267359.vkey.json": {
        "sha256": "b3865004bd26735967be66f5078a427afe0d8425e99041214b2b527a1dcc1182",
        "bytes": 3350
      }
    }
  },
  "account": {
    "version": 1,
    "constraints": 1795,
    "publicSignals": 5,
    "files": {
      "account-8fce113c6b2f3f8d.key": {
        "sha256": "8fce113c6b2f3f8dda8261323c849770aa28abd8dbd2cdc61b7b6f4b600b5715",
        "bytes": 532752
      },
      "account-6e98a75ac707942a.zkey": {
        "sha256": "6e98a75ac707942a9df00d705cc16fac6fe196760af046d2adc0d165d92e7c62",
        "bytes": 2792967
      },
      "account-968b6ea9ed376e0a.vkey.json": {
        "sha256": "968b6ea9ed376e0aefed4fbfb67359175cefaae6c1ed0543642c3a0da8465f6c",
        "bytes": 3941
      }
    }
  },
  "range": {
    "version": 1,
    "constraints": 946,
    "publicSignals": 6,
    "files": {
      "range-46c990330e42c3d0.key": {
        "sha256": "46c990330e42c3d077dee6ff1a1c7b7b3812cdfe0bb27b24b469fc8052b6a532",
        "bytes": 285516
      },
      "range-0fc21eb058e0d77e.zkey": {
        "sha256": "0fc21eb058e0d77e0f42126deb36c34b811771ce87583a27a2809a424dae057d",
        "bytes": 1400611
      },
      "range-41d63c1c1a55a56d.vkey.json": {
        "sha256": "41d63c1c1a55a56d3d5c6d79fcc9252a4e28b12aae7c4b97fdf59c253a72ec96",
        "bytes": 4137
      }
    }
  },
  "member": {
    "version": 1,
    "constraints": 761,
    "publicSignals": 12,
    "files": {
      "member-db35ffc496164008.key": {
        "sha256": "db35ffc49616400854e397ece71603cc55d711fd04f81a90ea47f4bd178c4ae8",
        "bytes": 236344
      },
      "member-deecfb47e45842ee.zkey": {
        "sha256": "deecfb47e45842ee9a6c47b91c1bf1ab4f3a30f4a5980ff0c626f1252ce732e1",
        "bytes": 1303051
      },
      "member-c680db110d710e9f.vkey.json": {
        "sha256": "c680db110d710e9f055b2e9e966702876bbdfa9117bad58865f70b5383c0c50d",
        "bytes": 5310
      }
    }
  }
} as const;
