//! What the published libraries do where a configuration is silent, and what our networks do without being asked.
//!
//! Values are JSON, as configurations are. Sources: the constructors of the classes named here in diffusers 0.35 and
//! transformers 4.57.

/// The keys of one class of networks.
pub(in crate::cli) struct Keys {
    /// What the class takes for a key that is not there.
    pub defaults: &'static str,
    /// Keys that our network does not read, with the values that mean what it does; of a list, all items have to.
    pub assumed: &'static str,
    /// Further keys that change nothing in inference.
    pub harmless: &'static [&'static str],
}

/// diffusers' `AudioLDM2UNet2DConditionModel`.
pub(super) const UNET: Keys = Keys {
    defaults: r#"{
        "sample_size": 256, "in_channels": 4, "out_channels": 4, "flip_sin_to_cos": true, "freq_shift": 0,
        "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
        "block_out_channels": [320, 640, 1280, 1280], "layers_per_block": 2, "act_fn": "silu", "norm_num_groups": 32,
        "norm_eps": 1e-5, "cross_attention_dim": 1280, "transformer_layers_per_block": 1, "attention_head_dim": 8,
        "num_attention_heads": null, "use_linear_projection": false, "resnet_time_scale_shift": "default"
    }"#,
    assumed: r#"{
        "addition_embed_type": [null], "attention_type": ["default"], "center_input_sample": [false],
        "class_embed_type": [null], "class_embeddings_concat": [false], "conv_in_kernel": [3], "conv_out_kernel": [3],
        "cross_attention_norm": [null], "downsample_padding": [1], "dual_cross_attention": [false],
        "encoder_hid_dim": [null], "encoder_hid_dim_type": [null], "mid_block_only_cross_attention": [null, false],
        "mid_block_scale_factor": [1], "mid_block_type": ["UNetMidBlock2DCrossAttn"], "num_class_embeds": [null],
        "only_cross_attention": [false], "projection_class_embeddings_input_dim": [null],
        "resnet_out_scale_factor": [1], "resnet_skip_time_act": [false],
        "reverse_transformer_layers_per_block": [null], "time_cond_proj_dim": [null],
        "time_embedding_act_fn": [null], "time_embedding_dim": [null], "time_embedding_type": ["positional"],
        "timestep_post_act": [null]
    }"#,
    harmless: &[
        "upcast_attention",
        "addition_embed_type_num_heads",
        "addition_time_embed_dim",
    ],
};

/// diffusers' `AutoencoderKL`.
pub(super) const VAE: Keys = Keys {
    defaults: r#"{
        "in_channels": 3, "out_channels": 3, "block_out_channels": [64], "layers_per_block": 1, "latent_channels": 4,
        "norm_num_groups": 32, "scaling_factor": 0.18215
    }"#,
    assumed: r#"{
        "act_fn": ["silu"], "down_block_types": ["DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D"],
        "latents_mean": [null], "latents_std": [null], "mid_block_add_attention": [true],
        "shift_factor": [null, 0], "use_post_quant_conv": [true], "use_quant_conv": [true]
    }"#,
    harmless: &["force_upcast", "sample_size"],
};

/// diffusers' `DDIMScheduler`.
pub(super) const DDIM: Keys = Keys {
    defaults: r#"{
        "num_train_timesteps": 1000, "beta_start": 0.0001, "beta_end": 0.02, "beta_schedule": "linear",
        "trained_betas": null, "clip_sample": true, "set_alpha_to_one": true, "steps_offset": 0,
        "prediction_type": "epsilon", "clip_sample_range": 1.0, "timestep_spacing": "leading",
        "rescale_betas_zero_snr": false
    }"#,
    assumed: r#"{"thresholding": [false]}"#,
    harmless: &[
        "dynamic_thresholding_ratio",
        "sample_max_value",
        "skip_prk_steps",
    ],
};

/// transformers' `GPT2Config`, and what AudioLDM 2 adds to it.
pub(super) const GPT2: Keys = Keys {
    defaults: r#"{
        "n_positions": 1024, "n_embd": 768, "n_layer": 12, "n_head": 12, "n_inner": null,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5
    }"#,
    assumed: r#"{
        "add_cross_attention": [false], "scale_attn_by_inverse_layer_idx": [false], "scale_attn_weights": [true]
    }"#,
    harmless: &[
        "attn_pdrop",
        "embd_pdrop",
        "n_ctx",
        "reorder_and_upcast_attn",
        "resid_pdrop",
        "summary_activation",
        "summary_first_dropout",
        "summary_proj_to_labels",
        "summary_type",
        "summary_use_proj",
        "vocab_size",
    ],
};

/// transformers' `T5Config`.
pub(super) const T5: Keys = Keys {
    defaults: r#"{
        "vocab_size": 32128, "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "relu"
    }"#,
    assumed: r#"{"dense_act_fn": ["gelu_new"], "is_gated_act": [true]}"#,
    harmless: &[
        "classifier_dropout",
        "dropout_rate",
        "n_positions",
        "num_decoder_layers",
        "output_past",
    ],
};

/// transformers' `ClapTextConfig`.
pub(super) const CLAP_TEXT: Keys = Keys {
    defaults: r#"{
        "vocab_size": 50265, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12,
        "intermediate_size": 3072, "hidden_act": "gelu", "max_position_embeddings": 514, "type_vocab_size": 1,
        "layer_norm_eps": 1e-12, "projection_dim": 512, "pad_token_id": 1, "projection_hidden_act": "relu"
    }"#,
    assumed: r#"{"add_cross_attention": [false], "is_decoder": [false], "position_embedding_type": ["absolute"]}"#,
    harmless: &[
        "attention_probs_dropout_prob",
        "classifier_dropout",
        "fusion_hidden_size",
        "fusion_num_hidden_layers",
        "hidden_dropout_prob",
    ],
};

/// transformers' `SpeechT5HifiGanConfig`.
pub(super) const HIFIGAN: Keys = Keys {
    defaults: r#"{
        "model_in_dim": 80, "sampling_rate": 16000, "upsample_initial_channel": 512, "upsample_rates": [4, 4, 4, 4],
        "upsample_kernel_sizes": [8, 8, 8, 8], "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]], "leaky_relu_slope": 0.1,
        "normalize_before": true
    }"#,
    assumed: "{}",
    harmless: &[],
};

/// The `config.json` of the original HiFi-GAN, whose `num_mels` is `model_in_dim`. It has no defaults.
pub(super) const HIFIGAN_ORIGINAL: Keys = Keys {
    defaults: r#"{"leaky_relu_slope": 0.1, "normalize_before": false}"#,
    assumed: r#"{"resblock": ["1", 1]}"#,
    harmless: &[
        "adam_b1",
        "adam_b2",
        "batch_size",
        "dist_config",
        "fmax",
        "fmax_for_loss",
        "fmin",
        "hop_size",
        "learning_rate",
        "lr_decay",
        "n_fft",
        "num_freq",
        "num_gpus",
        "num_workers",
        "seed",
        "segment_size",
        "win_size",
    ],
};

/// diffusers' `AudioLDM2ProjectionModel`.
pub(super) const PROJECTION: Keys = Keys {
    defaults: "{}",
    assumed: r#"{"use_learned_position_embedding": [null, false]}"#,
    harmless: &["max_seq_length"],
};

/// transformers' `CLIPVisionConfig`.
pub(super) const CLIP_VISION: Keys = Keys {
    defaults: r#"{
        "hidden_size": 768, "intermediate_size": 3072, "projection_dim": 512, "num_hidden_layers": 12,
        "num_attention_heads": 12, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5
    }"#,
    assumed: r#"{"num_channels": [3]}"#,
    harmless: &["attention_dropout", "dropout"],
};

/// transformers' `CLIPTextConfig`.
pub(super) const CLIP_TEXT: Keys = Keys {
    defaults: r#"{
        "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "projection_dim": 512,
        "num_hidden_layers": 12, "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5
    }"#,
    assumed: "{}",
    harmless: &["attention_dropout", "dropout"],
};

/// Keys of every configuration of both libraries: names and versions, training, and the generation of text.
const EVERYWHERE: [&str; 67] = [
    "_attn_implementation_autoset",
    "_class_name",
    "_commit_hash",
    "_diffusers_version",
    "_name_or_path",
    "architectures",
    "attn_implementation",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "cross_attention_hidden_size",
    "decoder_start_token_id",
    "diversity_penalty",
    "do_sample",
    "dropout",
    "dtype",
    "early_stopping",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_factor",
    "initializer_range",
    "is_encoder_decoder",
    "label2id",
    "length_penalty",
    "logit_scale_init_value",
    "max_length",
    "min_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_scores",
    "pad_token_id",
    "prefix",
    "problem_type",
    "pruned_heads",
    "remove_invalid_values",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_encoder_decoder",
    "tie_word_embeddings",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
    "is_composition",
];

impl Keys {
    /// Whether `key` changes nothing in inference.
    pub fn is_harmless(&self, key: &str) -> bool {
        self.harmless.contains(&key) || EVERYWHERE.contains(&key)
    }
}
