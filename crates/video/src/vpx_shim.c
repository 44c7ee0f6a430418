// VP8 of libvpx behind functions and one struct whose layout does not change between its versions. The
// installed headers say what the library's own structs look like; nothing of them is known on the Rust side.

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <vpx/vp8cx.h>
#include <vpx/vp8dx.h>
#include <vpx/vpx_decoder.h>
#include <vpx/vpx_encoder.h>

// Mirrors `RawPicture` in sys.rs. Planes are Y, U, V.
typedef struct {
  const uint8_t *planes[3];
  int32_t strides[3];
  uint32_t width;
  uint32_t height;
} dispatch_picture;

// Mirrors `Vp8Settings` in sys.rs.
typedef struct {
  uint32_t width;
  uint32_t height;
  uint32_t bits_per_second;
  uint32_t frames_per_second;
  uint32_t threads;
} dispatch_vp8_settings;

enum { CLOCK = 90000 };

typedef struct {
  vpx_codec_ctx_t context;
} dispatch_vp8_decoder;

typedef struct {
  vpx_codec_ctx_t context;
  vpx_codec_enc_cfg_t config;
} dispatch_vp8_encoder;

// A fixed text for a code that one of the functions below returned.
const char *dispatch_vp8_error(int32_t code) {
  return vpx_codec_err_to_string((vpx_codec_err_t)code);
}

static unsigned kilobits(uint32_t bits_per_second) {
  return bits_per_second < 1000 ? 1 : bits_per_second / 1000;
}

int32_t dispatch_vp8_decoder_new(dispatch_vp8_decoder **out) {
  dispatch_vp8_decoder *decoder = calloc(1, sizeof *decoder);
  if (!decoder) return VPX_CODEC_MEM_ERROR;
  vpx_codec_dec_cfg_t config = {.threads = 1};
  vpx_codec_err_t result = vpx_codec_dec_init(&decoder->context, vpx_codec_vp8_dx(), &config, 0);
  if (result) {
    free(decoder);
    return result;
  }
  *out = decoder;
  return VPX_CODEC_OK;
}

void dispatch_vp8_decoder_free(dispatch_vp8_decoder *decoder) {
  vpx_codec_destroy(&decoder->context);
  free(decoder);
}

// Decodes one packet. `shown` says whether there is a picture; it is valid until the next call.
int32_t dispatch_vp8_decode(dispatch_vp8_decoder *decoder, const uint8_t *data, size_t length,
                            dispatch_picture *picture, int32_t *shown) {
  *shown = 0;
  if (length == 0 || length > UINT32_MAX) return VPX_CODEC_INVALID_PARAM;
  vpx_codec_err_t result = vpx_codec_decode(&decoder->context, data, (unsigned)length, NULL, 0);
  if (result) return result;
  // The library decodes what it can of a damaged packet and says so only here.
  int corrupted = 0;
  result = vpx_codec_control(&decoder->context, VP8D_GET_FRAME_CORRUPTED, &corrupted);
  if (result) return result;
  if (corrupted) return VPX_CODEC_CORRUPT_FRAME;
  vpx_codec_iter_t position = NULL;
  vpx_image_t *image = vpx_codec_get_frame(&decoder->context, &position);
  if (!image) return VPX_CODEC_OK;
  if (image->fmt != VPX_IMG_FMT_I420) return VPX_CODEC_UNSUP_BITSTREAM;
  for (int i = 0; i < 3; i++) {
    picture->planes[i] = image->planes[i];
    picture->strides[i] = image->stride[i];
  }
  picture->width = image->d_w;
  picture->height = image->d_h;
  *shown = 1;
  return VPX_CODEC_OK;
}

int32_t dispatch_vp8_encoder_new(const dispatch_vp8_settings *settings, dispatch_vp8_encoder **out) {
  dispatch_vp8_encoder *encoder = calloc(1, sizeof *encoder);
  if (!encoder) return VPX_CODEC_MEM_ERROR;
  vpx_codec_enc_cfg_t *config = &encoder->config;
  vpx_codec_err_t result = vpx_codec_enc_config_default(vpx_codec_vp8_cx(), config, 0);
  if (result) goto failed;
  config->g_w = settings->width;
  config->g_h = settings->height;
  config->g_timebase.num = 1;
  config->g_timebase.den = CLOCK;
  config->g_threads = settings->threads;
  config->g_error_resilient = VPX_ERROR_RESILIENT_DEFAULT;
  config->g_lag_in_frames = 0;
  config->rc_end_usage = VPX_CBR;
  config->rc_target_bitrate = kilobits(settings->bits_per_second);
  // Where there are bits to spare, finer steps than this would spend them, and the time to write them, on grain that
  // nobody sees: with it, a picture with grain still differs from its source by less than two levels in 256, on average.
  config->rc_min_quantizer = 10;
  config->rc_max_quantizer = 56;
  config->rc_undershoot_pct = 100;
  config->rc_overshoot_pct = 15;
  config->rc_buf_initial_sz = 500;
  config->rc_buf_optimal_sz = 600;
  config->rc_buf_sz = 1000;
  config->rc_dropframe_thresh = 30;
  // A keyframe comes when the encoder needs one or somebody asks, not by the clock.
  config->kf_mode = VPX_KF_AUTO;
  config->kf_max_dist = 3000;
  result = vpx_codec_enc_init(&encoder->context, vpx_codec_vp8_cx(), config, 0);
  if (result) goto failed;
  // A keyframe may be as large as half of the optimal buffer, but at least three average frames.
  unsigned intra = config->rc_buf_optimal_sz * settings->frames_per_second / 20;
  if (intra < 300) intra = 300;
  // The fastest that there is. Beside -8 a picture of 640x360 takes two thirds of the time, and is a third of a decibel
  // further from its source, 43 of them.
  if ((result = vpx_codec_control(&encoder->context, VP8E_SET_CPUUSED, -16)) ||
      (result = vpx_codec_control(&encoder->context, VP8E_SET_STATIC_THRESHOLD, 1u)) ||
      (result = vpx_codec_control(&encoder->context, VP8E_SET_NOISE_SENSITIVITY, 0u)) ||
      (result = vpx_codec_control(&encoder->context, VP8E_SET_TOKEN_PARTITIONS, VP8_ONE_TOKENPARTITION)) ||
      (result = vpx_codec_control(&encoder->context, VP8E_SET_MAX_INTRA_BITRATE_PCT, intra))) {
    vpx_codec_destroy(&encoder->context);
    goto failed;
  }
  *out = encoder;
  return VPX_CODEC_OK;
failed:
  free(encoder);
  return result;
}

void dispatch_vp8_encoder_free(dispatch_vp8_encoder *encoder) {
  vpx_codec_destroy(&encoder->context);
  free(encoder);
}

int32_t dispatch_vp8_set_bitrate(dispatch_vp8_encoder *encoder, uint32_t bits_per_second) {
  encoder->config.rc_target_bitrate = kilobits(bits_per_second);
  return vpx_codec_enc_config_set(&encoder->context, &encoder->config);
}

// Encodes one picture of the size that the encoder was made for. `length` is 0 when the rate control
// dropped it; else `data` is valid until the next call.
int32_t dispatch_vp8_encode(dispatch_vp8_encoder *encoder, const dispatch_picture *picture, int64_t time,
                            uint32_t duration, int32_t force_keyframe, const uint8_t **data, size_t *length,
                            int32_t *keyframe) {
  *length = 0;
  vpx_image_t image;
  // The wrapped pointer is replaced below, it only has to be one; the encoder reads the planes alone.
  if (!vpx_img_wrap(&image, VPX_IMG_FMT_I420, picture->width, picture->height, 1,
                    (unsigned char *)picture->planes[0])) {
    return VPX_CODEC_INVALID_PARAM;
  }
  for (int i = 0; i < 3; i++) {
    image.planes[i] = (unsigned char *)picture->planes[i];
    image.stride[i] = picture->strides[i];
  }
  vpx_enc_frame_flags_t flags = force_keyframe ? VPX_EFLAG_FORCE_KF : 0;
  vpx_codec_err_t result =
      vpx_codec_encode(&encoder->context, &image, time, duration, flags, VPX_DL_REALTIME);
  if (result) return result;
  vpx_codec_iter_t position = NULL;
  const vpx_codec_cx_pkt_t *packet;
  while ((packet = vpx_codec_get_cx_data(&encoder->context, &position))) {
    if (packet->kind != VPX_CODEC_CX_FRAME_PKT) continue;
    *data = packet->data.frame.buf;
    *length = packet->data.frame.sz;
    *keyframe = (packet->data.frame.flags & VPX_FRAME_IS_KEY) != 0;
    return VPX_CODEC_OK;
  }
  return VPX_CODEC_OK;
}
