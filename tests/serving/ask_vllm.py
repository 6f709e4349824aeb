"""Run by the environment `vllm`, without LLaVA and pytest: load models, ask them greedily, write what they say as JSON.

python ask_vllm.py JOB.json OUT.json; a job is a list of {"folder", "options" of vllm.LLM, "lora", "asks"}, an ask is
{"picture", "question", "prior"}; out comes, for each job, a list of {"ids", "logs", "prompt_ids"}, or {"error"}.
"""

import gc
import json
import sys
from pathlib import Path

OPTIONS = {
    "dtype": "float32",
    "max_model_len": 1024,
    "enforce_eager": True,
    "max_num_seqs": 8,
    "gpu_memory_utilization": 0.1,
    "distributed_executor_backend": "uni",
}


def answers(job: dict) -> list[dict] | dict:
    """What one model says to each ask."""
    from PIL import Image
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    try:
        llm = LLM(job["folder"], **{**OPTIONS, **job.get("options", {})})
    except Exception as error:
        return {"error": str(error)}
    lora = LoRARequest("adapter", 1, job["lora"]) if job.get("lora") else None
    greedy = SamplingParams(temperature=0, max_tokens=job.get("max_tokens", 32), logprobs=1)
    said = []
    for given in (False, True):  # requests with a prior of the caller's go one by one, each with its own keywords
        asks = [ask for ask in job["asks"] if bool(ask.get("prior")) == given]
        chats = [
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_pil", "image_pil": Image.open(ask["picture"])},
                        {"type": "text", "text": ask["question"]},
                    ],
                }
            ]
            for ask in asks
        ]
        if given:
            outputs = [
                llm.chat(chat, greedy, lora_request=lora, mm_processor_kwargs={"facial_prior": ask["prior"]})[0]
                for ask, chat in zip(asks, chats, strict=True)
            ]
        else:
            outputs = llm.chat(chats, greedy, lora_request=lora) if chats else []
        for ask, output in zip(asks, outputs, strict=True):
            (one,) = output.outputs
            logs = [step[token].logprob for token, step in zip(one.token_ids, one.logprobs, strict=True)]
            said.append((job["asks"].index(ask), {"ids": list(one.token_ids), "logs": logs, "text": one.text}))
    del llm
    gc.collect()
    from vllm.distributed import cleanup_dist_env_and_memory

    cleanup_dist_env_and_memory()
    return [answer for _, answer in sorted(said, key=lambda pair: pair[0])]


if __name__ == "__main__":
    jobs = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps([answers(job) for job in jobs]))
