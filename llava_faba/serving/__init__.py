"""vLLM serves our models: what its processes load of llava-faba, without LLaVA; nothing else imports vLLM."""

ARCHITECTURE = "FabaLlavaLlamaForCausalLM"  # as config.json names it
MODEL_TYPE = "llava_faba_llama"
