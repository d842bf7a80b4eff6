"""What diffusers' samplers make of given predictions: samplers.json.

A case has `steps` predictions of the noise in a latent of six numbers, and the latents before the first and behind each step.
"""

import json
from pathlib import Path

import torch
from diffusers import UniPCMultistepScheduler

SCHEDULE = dict(
    num_train_timesteps=1000,
    beta_start=0.0015,
    beta_end=0.0195,
    beta_schedule="scaled_linear",
    steps_offset=1,
    timestep_spacing="leading",
)


def unipc(steps: int) -> dict:
    scheduler = UniPCMultistepScheduler(**SCHEDULE, solver_order=2, solver_type="bh2", final_sigmas_type="zero")
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(steps)
    noise = torch.randn(steps, 1, 6, generator=generator, dtype=torch.float64)
    latents = torch.randn(1, 6, generator=generator, dtype=torch.float64)
    behind = [latents]
    for t, predicted in zip(scheduler.timesteps, noise):
        latents = scheduler.step(predicted, t, latents).prev_sample
        behind.append(latents)
    return {
        "timesteps": scheduler.timesteps.tolist(),
        "noise": noise.squeeze(1).tolist(),
        "latents": [z.squeeze(0).tolist() for z in behind],
    }


def write(folder: Path) -> None:
    cases = {"unipc": [unipc(steps) for steps in (1, 2, 3, 5, 10)]}
    (folder / "samplers.json").write_text(json.dumps(cases) + "\n")
