// Generated from src/protocol.rs: UPDATE_BINDINGS=1 cargo test bindings

/**
 * Which sampler to use.
 */
export type SchedulerKind = "ddim" | "dpmpp" | "unipc";

/**
 * A rectangle in a picture, in fractions of its width and height: the whole is `0, 0, 1, 1`.
 */
export type Region = { 
/**
 * The left edge, from 0 at the picture's left.
 */
x: number, 
/**
 * The top edge, from 0 at the picture's top.
 */
y: number, 
/**
 * The width, 1 for the whole.
 */
width: number, 
/**
 * The height, 1 for the whole.
 */
height: number, };

/**
 * Settings of one generation; what is left out takes the model's default.
 */
export type GenerateSettings = { 
/**
 * Length of the music in seconds.
 */
seconds?: number, 
/**
 * Denoising steps: more takes longer and sounds cleaner; only for a model whose `steps` are there.
 */
steps?: number, 
/**
 * The rule that walks from noise to music; only for a model whose `scheduler` is there.
 */
scheduler?: SchedulerKind, 
/**
 * How strongly the picture steers the music; 1 means no guidance. Only for a model whose `guidance` is there.
 */
guidance?: number, 
/**
 * The same seed, settings and kernels give the same samples; only for a model that `hasSeed`.
 */
seed?: number | bigint, 
/**
 * How many pieces to make, best first where they can be ranked.
 */
candidates?: number, 
/**
 * Semitones from the model's own tonic, -6 to 6; the picture's hue decides when it is left out.
 */
transpose?: number, 
/**
 * Beats a minute, for a model whose music has one pulse; the picture's edges decide when it is left out.
 */
tempo?: number, 
/**
 * The RMS of the music in dBFS; the picture's colours decide when it is left out, or else the model.
 */
loudness?: number, 
/**
 * What the music should be beside the picture, in words; only for a model whose `prompts` are there.
 */
prompt?: string, 
/**
 * What the music should not be, in words; only for such a model.
 */
negative?: string, 
/**
 * What a person says of the picture, in words; only for a model that `takesComment`.
 */
comment?: string, 
/**
 * The part of the picture to use.
 */
region?: Region, 
/**
 * Return every stage's tensors as well (for tests; large).
 */
trace?: boolean, };

/**
 * What happens while music is made.
 */
export type Event = { "type": "load", 
/**
 * The stage that they belong to.
 */
stage: string, 
/**
 * Bytes that have arrived, of all stages.
 */
loaded: number, 
/**
 * Bytes of all stages that are not resident; constant during a run.
 */
total: number, } | { "type": "stage", 
/**
 * The stage.
 */
stage: string, 
/**
 * Its number, from 0.
 */
index: number, 
/**
 * How many stages there are.
 */
count: number, 
/**
 * Estimated time left in milliseconds, once anything has been measured.
 */
etaMs: number | null, } | { "type": "step", 
/**
 * The stage.
 */
stage: string, 
/**
 * Parts done.
 */
step: number, 
/**
 * Parts in all.
 */
steps: number, 
/**
 * Estimated time left in milliseconds.
 */
etaMs: number | null, } | { "type": "done", 
/**
 * Milliseconds that the generation took.
 */
elapsedMs: number, };

/**
 * A stage of a generation.
 */
export type StageInfo = { 
/**
 * Its name in events and bundles.
 */
name: string, 
/**
 * What a person reads while it runs.
 */
label: string, };

/**
 * The range of a setting, and what the model suggests.
 */
export type SettingRange = { 
/**
 * The smallest value.
 */
min: number, 
/**
 * The largest value.
 */
max: number, 
/**
 * The value that the model suggests.
 */
default: number, };

/**
 * The texts that count where a caller gives none.
 */
export type Prompts = { 
/**
 * What the music should be beside the picture.
 */
prompt: string, 
/**
 * What the music should not be.
 */
negative: string, };

/**
 * What a loaded model says of itself and of the device it runs on.
 */
export type Info = { 
/**
 * What the stages are and how they make music.
 */
system: string, 
/**
 * The model's name.
 */
model: string, 
/**
 * The licence of its weights.
 */
licence: string, 
/**
 * Whom the weights are owed to.
 */
credits: Array<string>, 
/**
 * False for a model that was never trained: what it makes is noise.
 */
trained: boolean, 
/**
 * Where it runs: `webgpu` or `wasm`.
 */
device: string, 
/**
 * The GPU's name.
 */
adapter?: string | null, 
/**
 * The kernels that compute: equal seeds give equal samples only with equal kernels.
 */
kernels: string, 
/**
 * Bytes of weights in the bundle.
 */
bytes: number, 
/**
 * Elements of all weights.
 */
parameters: number, 
/**
 * The stages that a generation can go through, in order; an estimate has those that one does.
 */
stages: Array<StageInfo>, 
/**
 * Length of the music in seconds.
 */
seconds: SettingRange, 
/**
 * Denoising steps, of a model that denoises.
 */
steps?: SettingRange, 
/**
 * Guidance scale, of a model that is guided.
 */
guidance?: SettingRange, 
/**
 * Pieces of one generation.
 */
candidates: SettingRange, 
/**
 * The sampler that a model suggests that has one.
 */
scheduler?: SchedulerKind, 
/**
 * Whether a seed decides between many pieces; otherwise there is one of a picture.
 */
hasSeed: boolean, 
/**
 * Whether the music follows what a person says of the picture.
 */
takesComment: boolean, 
/**
 * Numbers of a picture's embedding.
 */
embeddingWidth: number, 
/**
 * Estimated milliseconds of a generation with default settings, where that could be measured.
 */
estimateMs: number | null, 
/**
 * Billions of floating-point operations of such a generation.
 */
gflop: number, 
/**
 * Whether several candidates can be ranked.
 */
hasRanking: boolean, 
/**
 * Whether a picture's embedding becomes Language-of-Audio tokens, which music can be made from.
 */
hasTokens: boolean, 
/**
 * The model's own texts, where it takes others in their place.
 */
prompts?: Prompts | null, };

/**
 * A file of raw bytes: a shard, or an asset.
 */
export type ShardEntry = { 
/**
 * The file's name.
 */
file: string, 
/**
 * Its length.
 */
bytes: number, 
/**
 * Its SHA-256, in lower-case hexadecimal.
 */
sha256: string, };

/**
 * What a generation costs: time, work, and the shards that it reads.
 */
export type Cost = { 
/**
 * Billions of floating-point operations.
 */
gflop: number, 
/**
 * Estimated milliseconds, where that could be measured.
 */
ms: number | null, 
/**
 * The stages that it goes through, by name.
 */
stages: Array<string>, 
/**
 * Into how many parts its work falls, at most, that can be computed at the same time.
 */
parts: number, 
/**
 * Bytes of weights that it reads.
 */
bytes: number, 
/**
 * What those bytes are.
 */
shards: Array<ShardEntry>, };

/**
 * The settings of a generation. Those that a caller leaves out, the model decides, or the picture; a result has all that
 * its system knows. A system refuses settings that it does not know.
 */
export type Settings = { 
/**
 * Length of the music in seconds.
 */
seconds?: number, 
/**
 * Denoising steps.
 */
steps?: number, 
/**
 * The sampler.
 */
scheduler?: SchedulerKind, 
/**
 * Guidance scale; 1 or less is no guidance.
 */
guidance?: number, 
/**
 * The seed of the noise.
 */
seed?: number, 
/**
 * Pieces to make, best first where they can be ranked.
 */
candidates?: number, 
/**
 * Semitones that pieces are transposed by from the tonic that the networks learnt.
 */
transpose?: number, 
/**
 * Beats a minute.
 */
tempo?: number, 
/**
 * The RMS of the music in dBFS.
 */
loudness?: number, 
/**
 * What the music should be beside the picture, in words.
 */
prompt?: string, 
/**
 * What the music should not be, in words.
 */
negative?: string, 
/**
 * What a person says of the picture.
 */
comment?: string, };

/**
 * Time that one stage took.
 */
export type Timing = { 
/**
 * The stage.
 */
stage: string, 
/**
 * Milliseconds for loading its weights; next to nothing for resident networks.
 */
loadMs: number, 
/**
 * Milliseconds for running it.
 */
runMs: number, };

/**
 * A piece of a result. Beside it stand `samples` and `latents` (32-bit floats) and `wav` (bytes).
 */
export type PieceInfo = { 
/**
 * Which of the candidates this was.
 */
candidate: number, 
/**
 * Cosine similarity of picture and music in the encoder's space, where it was computed.
 */
score: number | null, 
/**
 * The shape of its latents.
 */
latentsShape: Array<number>, };

/**
 * What a generation gives beside its pieces.
 */
export type ResultInfo = { 
/**
 * Samples per second.
 */
sampleRate: number, 
/**
 * The seed that was used, of a model that has one.
 */
seed?: number, 
/**
 * The settings that the model has, in full.
 */
settings: Settings, 
/**
 * The kernels that computed it.
 */
kernels: string, 
/**
 * Time by stage.
 */
timings: Array<Timing>, };

/**
 * Codes of the errors that the engine gives to pages: what exactly is wrong.
 */
export type EngineFault =
  | "cancelled"
  | "internal"
  | "picture.empty"
  | "picture.kind"
  | "picture.unknown"
  | "picture.unsupported"
  | "picture.cut"
  | "picture.damaged"
  | "picture.memory"
  | "picture.large"
  | "picture.noPixels"
  | "picture.region"
  | "picture.missing"
  | "settings.seconds"
  | "settings.steps"
  | "settings.guidance"
  | "settings.transpose"
  | "settings.tempo"
  | "settings.loudness"
  | "settings.candidates"
  | "settings.whole"
  | "settings.untransposable"
  | "settings.noTempo"
  | "settings.noTexts"
  | "settings.none"
  | "settings.noTokens"
  | "settings.unreadable"
  | "bundle.noManifest"
  | "bundle.version"
  | "bundle.system"
  | "bundle.unusable"
  | "device.none"
  | "device.unknown"
  | "device.memory"
  | "device.lost"
  | "device.silent"
  | "device.noKernels"
  | "device.kernels"
  | "model.large"
  | "model.slow"
  | "sound.none";
