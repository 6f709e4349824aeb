"""vLLM serves our models: what its processes load of llava-faba. Nothing here needs LLaVA; only here vLLM is imported."""

ARCHITECTURE = "FabaLlavaLlamaForCausalLM"  # as config.json names it
MODEL_TYPE = "llava_faba_llama"
